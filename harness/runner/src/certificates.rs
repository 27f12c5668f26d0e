//! The certificates of a run, as scenarios ask for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use meshproof_pki::{self as pki, Credential, PkiError, RunPki, Wanted};
use meshproof_scenario as scenario;

/// Data of a TLS Secret.
pub(crate) type SecretData = BTreeMap<String, Vec<u8>>;

/// All certificates of a run, made when they are asked for, in memory only.
#[derive(Debug)]
pub(crate) struct Certificates(RunPki);

impl Certificates {
    /// For the DNS name of the service.
    ///
    /// # Errors
    /// The name is no DNS name, or too long for a certificate.
    pub(crate) fn new(dns_name: &str) -> Result<Self, PkiError> {
        RunPki::new(dns_name).map(Self)
    }

    /// The data of a Secret.
    ///
    /// # Errors
    /// In words: what is asked for cannot be made.
    pub(crate) fn secret(&self, secret: &scenario::Secret) -> Result<SecretData, String> {
        let made = self.0.secret(&wanted(secret));
        let mut data = made.map_err(|error| format!("making certificates: {error}"))?;
        for key in &secret.without {
            data.remove(key.value.as_str());
        }
        Ok(data)
    }

    /// The certificate and key that a prober shows.
    ///
    /// # Errors
    /// In words: what is asked for cannot be made.
    pub(crate) fn credential(&self, secret: &scenario::Secret) -> Result<Arc<Credential>, String> {
        let made = self.0.credential(&wanted(secret));
        made.map_err(|error| format!("making certificates: {error}"))
    }

    /// SHA-256 of the certificate of a Secret, in hexadecimal.
    ///
    /// # Errors
    /// In words: it cannot be made.
    pub(crate) fn fingerprint(&self, secret: &scenario::Secret) -> Result<String, String> {
        let identity = self.credential(secret)?.identity();
        let identity = identity.map_err(|error| format!("reading a certificate: {error}"))?;
        Ok(identity.sha256)
    }
}

fn wanted(secret: &scenario::Secret) -> Wanted {
    let trusts: Vec<pki::Trust> = secret.trusts.iter().map(|at| trust(at.value)).collect();
    let good = Wanted::good(which(secret.certificate));
    Wanted {
        flaw: secret.but.as_ref().map(|at| flaw(at.value)),
        signer: match secret.authority.as_ref().map(|at| at.value) {
            Some(scenario::AuthorityName::New) => pki::Signer::New,
            Some(scenario::AuthorityName::Run) | None => pki::Signer::Run,
        },
        leaf: secret.leaf,
        dns_name: secret.dns_name.as_ref().map(|at| at.value.clone()),
        trusts: if trusts.is_empty() {
            good.trusts.clone()
        } else {
            trusts
        },
        revokes: secret.revokes.iter().map(|at| which(at.value)).collect(),
        ..good
    }
}

fn which(certificate: scenario::Certificate) -> pki::Which {
    match certificate {
        scenario::Certificate::Client => pki::Which::Client,
        scenario::Certificate::Application => pki::Which::Application,
    }
}

fn trust(trust: scenario::Trust) -> pki::Trust {
    match trust {
        scenario::Trust::Run => pki::Trust::Run,
        scenario::Trust::RunRoot => pki::Trust::RunRoot,
        scenario::Trust::New => pki::Trust::New,
        scenario::Trust::Other => pki::Trust::Other,
    }
}

fn flaw(flaw: scenario::Flaw) -> pki::Flaw {
    match flaw {
        scenario::Flaw::SelfSigned => pki::Flaw::SelfSigned,
        scenario::Flaw::UnknownCa => pki::Flaw::UnknownCa,
        scenario::Flaw::Expired => pki::Flaw::Expired,
        scenario::Flaw::NotYetValid => pki::Flaw::NotYetValid,
        scenario::Flaw::WrongPurpose => pki::Flaw::WrongPurpose,
        scenario::Flaw::WithoutIntermediate => pki::Flaw::WithoutIntermediate,
        scenario::Flaw::OtherName => pki::Flaw::OtherName,
        scenario::Flaw::OtherMesh => pki::Flaw::OtherMesh,
    }
}
