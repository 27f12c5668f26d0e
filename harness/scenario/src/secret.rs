//! Secrets made from the certificates of a run, good ones and every broken kind.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{At, AuthorityName, Certificate, Flaw, Trust};

/// A Secret with `tls.key`, `tls.crt` and `ca.crt`, and `ca.crl` where it revokes something.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Secret {
    /// Which certificate it holds.
    pub certificate: Certificate,
    /// What is wrong with it.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub but: Option<At<Flaw>>,
    /// Which authority signed it; `run` where nothing is said.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub authority: Option<At<AuthorityName>>,
    /// Which of several leaves of the same kind, for rotation; 0 where nothing is said.
    #[serde(default)]
    pub leaf: u32,
    /// The authorities in `ca.crt`; `[run]` where nothing is said.
    #[serde(default)]
    pub trusts: Vec<At<Trust>>,
    /// The certificates that `ca.crl` revokes.
    #[serde(default)]
    pub revokes: Vec<At<Certificate>>,
    /// Keys that are left out.
    #[serde(default)]
    pub without: Vec<At<String>>,
    /// Another DNS name for the certificate.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub dns_name: Option<At<String>>,
}

impl Secret {
    /// What it holds, in words.
    pub fn summary(&self) -> String {
        let mut words = vec![format!("the {} certificate", self.certificate)];
        words.extend(self.but.iter().map(|flaw| format!("but {flaw}")));
        words.extend(
            self.authority
                .iter()
                .map(|name| format!("by authority {name}")),
        );
        words.extend((self.leaf > 0).then(|| format!("leaf {}", self.leaf)));
        words.extend(self.revokes.iter().map(|which| format!("revoking {which}")));
        words.extend(self.without.iter().map(|key| format!("without {key}")));
        let trusts: Vec<&str> = self.trusts.iter().map(|trust| trust.as_str()).collect();
        words.extend((!trusts.is_empty()).then(|| format!("trusting {}", trusts.join(" and "))));
        words.join(" ")
    }
}
