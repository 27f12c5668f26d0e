//! Certificate chains and bundles of authorities.

use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    names::Name,
    pem::{self, Unusable},
};

/// A leaf certificate and those that are sent with it.
pub(crate) struct Chain {
    /// DER, the leaf first; every one can be read.
    pub(crate) certificates: Vec<Vec<u8>>,
    subject: String,
    principals: Vec<String>,
}

/// Authorities to trust, and revocation lists.
pub(crate) struct Bundle {
    /// DER; every one can be read.
    pub(crate) authorities: Vec<Vec<u8>>,
    /// DER.
    pub(crate) lists: Vec<Vec<u8>>,
}

impl Chain {
    /// Reads PEM. A key that is not the leaf's makes Envoy refuse the whole secret.
    pub(crate) fn read(chain: &[u8], key: Option<&[u8]>) -> Result<Self, Unusable> {
        let certificates = pem::certificates(chain)?;
        readable(&certificates)?;
        let leaf = parsed(&certificates[0])?;
        if let Some(key) = key {
            belongs(key, &leaf)?;
        }
        let (subject, principals) = (shown(&leaf), principals(&leaf));
        Ok(Self {
            certificates,
            subject,
            principals,
        })
    }

    /// The leaf's names, for people.
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    /// What Envoy compares principals of a policy with: URIs, else DNS names, else the subject
    /// (Envoy, RBAC, `Principal.Authenticated`).
    pub(crate) fn principals(&self) -> Vec<String> {
        self.principals.clone()
    }
}

impl Bundle {
    /// Reads PEM.
    pub(crate) fn read(authorities: &[u8], lists: Option<&[u8]>) -> Result<Self, Unusable> {
        let authorities = pem::certificates(authorities)?;
        readable(&authorities)?;
        let lists = match lists.map(pem::revocation_lists).transpose() {
            Ok(lists) => lists.unwrap_or_default(),
            Err(Unusable::Withheld) => return Err(Unusable::Withheld),
            Err(bad) => return Err(bad),
        };
        Ok(Self { authorities, lists })
    }

    /// The subjects, for people.
    pub(crate) fn subjects(&self) -> String {
        let names = self.authorities.iter().filter_map(|der| parsed(der).ok());
        names
            .map(|c| c.subject().to_string())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// Reads one certificate.
pub(crate) fn parsed(der: &[u8]) -> Result<X509Certificate<'_>, Unusable> {
    let (_, certificate) = X509Certificate::from_der(der)
        .map_err(|e| Unusable::Bad(format!("a certificate cannot be read: {e}")))?;
    Ok(certificate)
}

fn readable(certificates: &[Vec<u8>]) -> Result<(), Unusable> {
    certificates
        .iter()
        .try_for_each(|der| parsed(der).map(|_| ()))
}

/// Whether a private key is that of a certificate. A key that is withheld is not judged.
fn belongs(key: &[u8], leaf: &X509Certificate<'_>) -> Result<(), Unusable> {
    let Ok(key) = PrivateKeyDer::from_pem_slice(key) else {
        return if key.windows(10).any(|w| w == b"-----BEGIN") {
            Err(Unusable::Bad("its private key cannot be read".to_owned()))
        } else {
            Ok(())
        };
    };
    let public = any_supported_type(&key)
        .ok()
        .and_then(|k| k.public_key().map(|p| p.to_vec()));
    match public {
        Some(public) if public != leaf.public_key().raw => Err(Unusable::Bad(
            "its private key is not the key of its certificate".to_owned(),
        )),
        // A key of a kind that is not known here is not judged either.
        _ => Ok(()),
    }
}

fn principals(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = super::names::alternative(certificate);
    let of = |wanted: fn(&Name) -> bool| -> Vec<String> {
        let kept = names.iter().filter(|n| wanted(n));
        kept.map(|n| n.text().to_owned()).collect()
    };
    let uris = of(|n| matches!(n, Name::Other(text) if text.contains("://")));
    let dns = of(|n| matches!(n, Name::Dns(_)));
    [uris, dns, vec![certificate.subject().to_string()]]
        .into_iter()
        .find(|names| !names.is_empty())
        .unwrap_or_default()
}

/// Common name or names of a certificate.
fn shown(certificate: &X509Certificate<'_>) -> String {
    let subject = certificate.subject().to_string();
    if !subject.is_empty() {
        return subject;
    }
    let names = super::names::alternative(certificate);
    names
        .first()
        .map_or_else(|| "nobody".to_owned(), |n| n.text().to_owned())
}
