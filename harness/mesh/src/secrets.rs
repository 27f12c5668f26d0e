//! Secret material as SDS serves it.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One secret as served by name. `Debug` shows sizes, never bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretValue {
    /// A certificate chain and its private key, both PEM (`kubernetes://NAME`).
    KeyPair {
        /// PEM, leaf first.
        certificate_chain: Vec<u8>,
        /// PEM.
        private_key: Vec<u8>,
    },
    /// Authorities to trust, PEM, and perhaps revocation lists, PEM (`kubernetes://NAME-cacert`).
    Authorities {
        /// PEM.
        trusted_ca: Vec<u8>,
        /// PEM.
        crl: Option<Vec<u8>>,
    },
    /// The workload's own certificate (`default`); the mesh's authority has the material.
    Workload {
        /// The identity: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
        spiffe_id: String,
    },
    /// The mesh's root certificates (`ROOTCA`); the mesh's authority has the material.
    Root,
    /// The authorities that the system in the proxy's container trusts (`file-root:system`); the container
    /// has the material.
    SystemRoots,
}

impl SecretValue {
    /// The material as digests: enough to see which Secret it is of, nothing to misuse. The first 16
    /// hexadecimal digits of SHA-256 after `sha256:`; empty where there is nothing.
    pub fn digests(&self) -> Value {
        let (chain, key, ca, crl): (&[u8], &[u8], &[u8], &[u8]) = match self {
            Self::KeyPair {
                certificate_chain,
                private_key,
            } => (certificate_chain, private_key, &[], &[]),
            Self::Authorities { trusted_ca, crl } => {
                (&[], &[], trusted_ca, crl.as_deref().unwrap_or_default())
            }
            Self::Workload { .. } | Self::Root | Self::SystemRoots => (&[], &[], &[], &[]),
        };
        json!({
            "certificate_chain": digest(chain),
            "private_key": digest(key),
            "trusted_ca": digest(ca),
            "crl": digest(crl),
        })
    }
}

fn digest(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let sum = Sha256::digest(bytes);
    let mut text = String::from("sha256:");
    for byte in sum.iter().take(8) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyPair {
                certificate_chain,
                private_key,
            } => write!(
                f,
                "KeyPair({} bytes of certificates, {} bytes of key)",
                certificate_chain.len(),
                private_key.len()
            ),
            Self::Authorities { trusted_ca, crl } => write!(
                f,
                "Authorities({} bytes of certificates, {} bytes of revocation lists)",
                trusted_ca.len(),
                crl.as_ref().map_or(0, Vec::len)
            ),
            Self::Workload { spiffe_id } => write!(f, "Workload({spiffe_id})"),
            Self::Root => f.write_str("Root"),
            Self::SystemRoots => f.write_str("SystemRoots"),
        }
    }
}
