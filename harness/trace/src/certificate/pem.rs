//! PEM, and the ways in which people get it wrong.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject};

/// Why material cannot be judged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It holds nothing that looks like a certificate: left out on purpose, as in manifests that are shared.
    Withheld,
    /// Envoy would refuse it.
    Bad(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Withheld => f.write_str("nothing in it looks like a certificate"),
            Self::Bad(why) => f.write_str(why),
        }
    }
}

const BEGIN: &[u8] = b"-----BEGIN";

/// The DER of every certificate in PEM text; at least one.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, Unusable> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text)
        .map(|c| c.map(|der| der.to_vec()))
        .collect();
    let found = found.map_err(|e| Unusable::Bad(format!("its certificates are no PEM: {e}")))?;
    if found.is_empty() {
        return Err(nothing(text, "certificate"));
    }
    Ok(found)
}

/// The DER of every revocation list in PEM text; at least one.
pub(crate) fn revocation_lists(text: &[u8]) -> Result<Vec<Vec<u8>>, Unusable> {
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(text)
        .map(|c| c.map(|der| der.to_vec()))
        .collect();
    let found =
        found.map_err(|e| Unusable::Bad(format!("its revocation lists are no PEM: {e}")))?;
    if found.is_empty() {
        return Err(nothing(text, "revocation list"));
    }
    Ok(found)
}

/// Text without a single PEM block of the kind.
fn nothing(text: &[u8], kind: &str) -> Unusable {
    if contains(text, BEGIN) {
        return Unusable::Bad(format!("its PEM holds no {kind}"));
    }
    let bare: Vec<u8> = text
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    if STANDARD
        .decode(&bare)
        .is_ok_and(|inner| contains(&inner, BEGIN))
    {
        return Unusable::Bad(format!("its {kind} is encoded in base64 twice"));
    }
    // A DER SEQUENCE with a length of two bytes, as every certificate has.
    if text.starts_with(&[0x30, 0x82]) {
        return Unusable::Bad(format!("its {kind} is DER, and Envoy is given PEM"));
    }
    Unusable::Withheld
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|w| w == wanted)
}
