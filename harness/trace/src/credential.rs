//! What a proxy shows and trusts: SDS names resolved to certificates.

use std::{fmt, rc::Rc};

use meshproof_mesh::{ProxyConfig, SecretValue};
use serde_json::Value;

use crate::{
    certificate::{Bundle, Chain, Unusable},
    cluster::Cluster,
};

/// What one side of a handshake can show.
#[derive(Clone)]
pub(crate) enum Credential {
    /// Nothing: none is configured.
    None,
    /// Nothing: this secret is not served, or Envoy refuses it, for this reason.
    Missing(String, String),
    /// A certificate of a mesh's own authority.
    Mesh(MeshIdentity),
    /// These certificates.
    Chain(Rc<Chain>),
    /// Certificates that were not given; named as the Secret.
    Withheld(String),
}

/// A workload's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MeshIdentity {
    /// The cluster whose authority signed it.
    pub(crate) mesh: String,
    pub(crate) spiffe_id: String,
    /// The authority's root certificates, where they are known.
    pub(crate) root: Option<Vec<u8>>,
}

/// What the other side's certificate is checked against.
#[derive(Clone)]
pub(crate) enum Trust {
    /// Nothing is checked.
    Anyone,
    /// The secret is not served, or Envoy refuses it.
    Missing(String, String),
    /// A mesh's own authority: the cluster's name, and its root certificates where they are known.
    Mesh(String, Option<Vec<u8>>, Names),
    /// These authorities.
    Authorities(Rc<Bundle>, Names),
    /// The authorities of the proxy's own image.
    System,
    /// Authorities that were not given; named as the Secret.
    Withheld(String, Names),
}

/// What a certificate must say beside being signed by somebody trusted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// `match_subject_alt_names`: one of them must hold; none is no condition.
    pub(crate) matchers: Vec<Value>,
    /// SHA-256 of the certificate, hexadecimal.
    pub(crate) hashes: Vec<String>,
    /// SHA-256 of the public key, base64.
    pub(crate) keys: Vec<String>,
}

/// Where secrets come from: a proxy's configuration in its cluster.
#[derive(Clone, Copy)]
pub(crate) struct Secrets<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) config: &'a ProxyConfig,
}

const NOT_SERVED: &str = "no such Secret with the keys that are needed in the proxy's namespace, or it is another namespace's";

impl Secrets<'_> {
    /// The certificate that a `CommonTlsContext` shows.
    pub(crate) fn shown(self, common: &Value) -> Credential {
        let Some(name) = common["tls_certificate_sds_secret_configs"]
            .as_array()
            .and_then(|list| list.first())
            .and_then(|c| c["name"].as_str())
        else {
            return Credential::None;
        };
        match self.config.secrets.get(name).and_then(Option::as_ref) {
            None => Credential::Missing(name.to_owned(), NOT_SERVED.to_owned()),
            Some(SecretValue::Workload { spiffe_id }) => Credential::Mesh(MeshIdentity {
                mesh: self.cluster.name.clone(),
                spiffe_id: spiffe_id.clone(),
                root: self.cluster.mesh_root.clone(),
            }),
            Some(SecretValue::KeyPair {
                certificate_chain,
                private_key,
            }) => match Chain::read(certificate_chain, Some(private_key)) {
                Ok(chain) => Credential::Chain(Rc::new(chain)),
                Err(Unusable::Withheld) => Credential::Withheld(name.to_owned()),
                Err(Unusable::Bad(why)) => Credential::Missing(name.to_owned(), why),
            },
            Some(other) => {
                Credential::Missing(name.to_owned(), format!("{other:?} is no key pair"))
            }
        }
    }

    /// What a `CommonTlsContext` checks the other side against; `None` where it asks for nothing.
    pub(crate) fn trusted(self, common: &Value) -> Option<Trust> {
        let combined = &common["combined_validation_context"];
        let own = if combined.is_null() {
            &common["validation_context"]
        } else {
            &combined["default_validation_context"]
        };
        let names = Names::of(own);
        let secret = combined["validation_context_sds_secret_config"]["name"].as_str();
        let Some(name) = secret else {
            // Conditions on names without authorities are not looked at.
            return (!own.is_null()).then_some(Trust::Anyone);
        };
        let trust = self.authorities(name, names);
        // The authorities are still waited for, and then any certificate is good.
        let any = own["trust_chain_verification"] == "ACCEPT_UNTRUSTED";
        Some(match trust {
            Trust::Missing(..) => trust,
            _ if any => Trust::Anyone,
            _ => trust,
        })
    }

    fn authorities(self, name: &str, names: Names) -> Trust {
        if name == "file-root:system" {
            return Trust::System;
        }
        match self.config.secrets.get(name).and_then(Option::as_ref) {
            None => Trust::Missing(name.to_owned(), NOT_SERVED.to_owned()),
            Some(SecretValue::Root) => Trust::Mesh(
                self.cluster.name.clone(),
                self.cluster.mesh_root.clone(),
                names,
            ),
            Some(SecretValue::Authorities { trusted_ca, crl }) => {
                match Bundle::read(trusted_ca, crl.as_deref()) {
                    Ok(bundle) => Trust::Authorities(Rc::new(bundle), names),
                    Err(Unusable::Withheld) => Trust::Withheld(name.to_owned(), names),
                    Err(Unusable::Bad(why)) => Trust::Missing(name.to_owned(), why),
                }
            }
            Some(other) => Trust::Missing(name.to_owned(), format!("{other:?} is no authority")),
        }
    }
}

/// The secret that one side of a handshake lacks, and what is said of it.
pub(crate) fn unsupplied<'a>(
    shown: &'a Credential,
    trusted: Option<&'a Trust>,
) -> Option<(&'a str, String)> {
    let ((Credential::Missing(name, why), _) | (_, Some(Trust::Missing(name, why)))) =
        (shown, trusted)
    else {
        return None;
    };
    let what =
        format!("is not supplied: {why}; a proxy that had it before keeps it until it restarts");
    Some((name, what))
}

impl Names {
    fn of(context: &Value) -> Self {
        let texts = |field: &str| -> Vec<String> {
            let list = context[field].as_array().into_iter().flatten();
            list.filter_map(|v| v.as_str().map(str::to_owned)).collect()
        };
        let matchers = context["match_subject_alt_names"].as_array();
        Self {
            matchers: matchers.cloned().unwrap_or_default(),
            hashes: texts("verify_certificate_hash"),
            keys: texts("verify_certificate_spki"),
        }
    }

    /// The names that are wanted, for people.
    pub(crate) fn wanted(&self) -> String {
        let text = |m: &Value| {
            let fields = m.as_object().into_iter().flatten();
            let said = fields.map(|(how, what)| match what.as_str() {
                Some(text) if how == "exact" => text.to_owned(),
                Some(text) => format!("{how} {text}"),
                None => what.to_string(),
            });
            said.collect::<Vec<_>>().join(" ")
        };
        self.matchers
            .iter()
            .map(text)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no certificate"),
            Self::Missing(name, _) => write!(f, "no certificate ({name} is not there)"),
            Self::Mesh(identity) => f.write_str(&identity.spiffe_id),
            Self::Chain(chain) => write!(f, "the certificate of {}", chain.subject()),
            Self::Withheld(name) => write!(f, "the certificate of {name}, which was not given"),
        }
    }
}
