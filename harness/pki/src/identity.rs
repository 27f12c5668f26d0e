//! Which certificate it is, in words that a report may use.

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::PkiError;

/// What tells a certificate from every other one, as proxies log it. No secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Its subject, `CN=a.example`; empty for workloads of a mesh.
    pub subject: String,
    /// Its serial number: lower-case hexadecimal without leading zero bytes.
    pub serial: String,
    /// SHA-256 of its DER: lower-case hexadecimal.
    pub sha256: String,
}

impl Identity {
    /// Of any certificate in DER, for one that a peer presented.
    ///
    /// # Errors
    /// The bytes are no certificate.
    pub fn of(der: &[u8]) -> Result<Self, PkiError> {
        let certificate = read(der)?;
        Ok(Self {
            subject: certificate.subject().to_string(),
            serial: hex(&serial(&certificate)),
            sha256: hex(&Sha256::digest(der)),
        })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = if self.subject.is_empty() {
            "no subject"
        } else {
            &self.subject
        };
        write!(f, "{subject}, serial number {}", self.serial)
    }
}

/// Reads a certificate that fills the whole input.
pub(crate) fn read(der: &[u8]) -> Result<X509Certificate<'_>, PkiError> {
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|error| PkiError::Unreadable {
            length: der.len(),
            found: error.to_string(),
        })?;
    if rest.is_empty() {
        return Ok(certificate);
    }
    Err(PkiError::Unreadable {
        length: der.len(),
        found: format!("{} bytes after its end", rest.len()),
    })
}

/// The serial number as a positive number, big-endian.
pub(crate) fn serial(certificate: &X509Certificate<'_>) -> Vec<u8> {
    let raw = certificate.raw_serial();
    let zeros = raw.iter().take_while(|byte| **byte == 0).count();
    raw.get(zeros..).unwrap_or_default().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
