//! A leaf certificate with its chain and its key.

use std::fmt;

use rcgen::{Certificate, KeyPair};

/// A private key. `Debug` shows nothing of it.
pub struct PrivateKey(KeyPair);

impl PrivateKey {
    pub(crate) fn new(pair: KeyPair) -> Self {
        Self(pair)
    }

    /// PKCS#8 in PEM. Secret: for a Secret, a TLS stack, or [`crate::write_private`], never a log.
    pub fn pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// PKCS#8 in DER. Secret as [`PrivateKey::pem`].
    pub fn der(&self) -> &[u8] {
        self.0.serialized_der()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(secret)")
    }
}

/// A leaf certificate, the certificates between it and its root, and its key.
#[derive(Debug)]
pub struct Credential {
    certificates: Vec<Certificate>,
    key: PrivateKey,
}

impl Credential {
    /// `certificates` has the leaf first and the root not at all.
    pub(crate) fn new(certificates: Vec<Certificate>, key: PrivateKey) -> Self {
        Self { certificates, key }
    }

    /// The leaf and then each intermediate, in PEM: the content of `tls.crt`.
    pub fn chain_pem(&self) -> String {
        self.certificates.iter().map(Certificate::pem).collect()
    }

    /// The same in DER, the leaf first.
    pub fn chain_der(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates
            .iter()
            .map(|certificate| certificate.der().as_ref())
    }

    /// The key of the leaf.
    pub const fn key(&self) -> &PrivateKey {
        &self.key
    }
}
