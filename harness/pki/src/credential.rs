//! A leaf certificate with its chain and its key.

use std::fmt;

use rcgen::{Certificate, KeyPair};

use crate::{Identity, Leaf, PkiError, authority};

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
    leaf: Certificate,
    intermediates: Vec<Certificate>,
    key: PrivateKey,
}

impl Credential {
    /// `intermediates` has the leaf's issuer first and the root not at all.
    pub(crate) fn new(leaf: Certificate, intermediates: Vec<Certificate>, key: PrivateKey) -> Self {
        Self {
            leaf,
            intermediates,
            key,
        }
    }

    /// A leaf with a new key that is signed by that key: no authority stands behind it.
    ///
    /// # Errors
    /// A name that cannot stand in a certificate, or the certificate cannot be made.
    pub fn self_signed(leaf: &Leaf) -> Result<Self, PkiError> {
        let key = authority::key(leaf.subject())?;
        let certificate = leaf
            .params()?
            .self_signed(&key)
            .map_err(|source| authority::failed(leaf.subject(), source))?;
        Ok(Self::new(certificate, Vec::new(), PrivateKey::new(key)))
    }

    /// Only the leaf with its key.
    #[must_use]
    pub fn without_intermediates(mut self) -> Self {
        self.intermediates.clear();
        self
    }

    /// The leaf and then each intermediate, in PEM: the content of `tls.crt`.
    pub fn chain_pem(&self) -> String {
        self.chain().map(Certificate::pem).collect()
    }

    /// The same in DER, the leaf first.
    pub fn chain_der(&self) -> impl Iterator<Item = &[u8]> {
        self.chain().map(|certificate| certificate.der().as_ref())
    }

    /// The leaf alone in DER.
    pub fn leaf_der(&self) -> &[u8] {
        self.leaf.der()
    }

    /// Which leaf it is, for reports and for the comparison with what a peer presented.
    ///
    /// # Errors
    /// The leaf cannot be read.
    pub fn identity(&self) -> Result<Identity, PkiError> {
        Identity::of(self.leaf_der())
    }

    /// The key of the leaf.
    pub const fn key(&self) -> &PrivateKey {
        &self.key
    }

    fn chain(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.leaf).chain(&self.intermediates)
    }
}
