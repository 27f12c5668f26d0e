//! A certificate authority: a root, or one below it.

use std::fmt;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams,
    DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevocationReason, RevokedCertParams, SerialNumber,
};

use crate::{Credential, Leaf, PkiError, PrivateKey, Validity, identity, names};

/// A certificate authority. Its key never leaves it.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    name: String,
    certificate: Certificate,
    /// The authorities between this one and its root, this one first; none for a root.
    below_root: Vec<Certificate>,
}

impl Authority {
    /// A new root with the subject `CN=<name>`.
    ///
    /// # Errors
    /// The name is no common name, or the certificate cannot be made.
    pub fn root(name: &str) -> Result<Self, PkiError> {
        Self::self_signed(DnType::CommonName, name)
    }

    /// A new root with a subject of one attribute.
    pub(crate) fn self_signed(attribute: DnType, name: &str) -> Result<Self, PkiError> {
        let params = params(attribute, name, BasicConstraints::Unconstrained)?;
        let key = key(name)?;
        let certificate = params
            .self_signed(&key)
            .map_err(|source| failed(name, source))?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            name: name.to_owned(),
            certificate,
            below_root: Vec::new(),
        })
    }

    /// A new authority with the subject `CN=<name>`, signed by this one, for leaves only.
    ///
    /// # Errors
    /// The name is no common name, or the certificate cannot be made.
    pub fn intermediate(&self, name: &str) -> Result<Self, PkiError> {
        let mut params = params(DnType::CommonName, name, BasicConstraints::Constrained(0))?;
        params.use_authority_key_identifier_extension = true;
        let key = key(name)?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(|source| failed(name, source))?;
        let below_root = std::iter::once(&certificate)
            .chain(&self.below_root)
            .cloned()
            .collect();
        Ok(Self {
            issuer: Issuer::new(params, key),
            name: name.to_owned(),
            certificate,
            below_root,
        })
    }

    /// A new leaf with a new key. Its serial number are 159 bits of the hash of that key, so it is as
    /// random as the key.
    ///
    /// # Errors
    /// A name that cannot stand in a certificate, or the certificate cannot be made.
    pub fn issue(&self, leaf: &Leaf) -> Result<Credential, PkiError> {
        let key = key(leaf.subject())?;
        let certificate = leaf
            .params()?
            .signed_by(&key, &self.issuer)
            .map_err(|source| failed(leaf.subject(), source))?;
        Ok(Credential::new(
            certificate,
            self.below_root.clone(),
            PrivateKey::new(key),
        ))
    }

    /// A list in PEM of the leaves that it revokes, which may be none. Lists of one authority are
    /// numbered upwards.
    ///
    /// # Errors
    /// The list cannot be made.
    pub fn revocation_list(&self, number: u64, leaves: &[&Credential]) -> Result<String, PkiError> {
        let (from, until) = Validity::LEAF.ends()?;
        let revoked = |leaf: &&Credential| {
            let certificate = identity::read(leaf.leaf_der())?;
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from(identity::serial(&certificate)),
                revocation_time: from.into(),
                reason_code: Some(RevocationReason::KeyCompromise),
                invalidity_date: None,
            })
        };
        let params = CertificateRevocationListParams {
            this_update: from.into(),
            next_update: until.into(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: leaves
                .iter()
                .map(revoked)
                .collect::<Result<_, PkiError>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params
            .signed_by(&self.issuer)
            .and_then(|list| list.pem())
            .map_err(|source| failed(&format!("{}, for its revocation list", self.name), source))
    }

    /// Its certificate in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Its certificate in DER.
    pub fn der(&self) -> &[u8] {
        self.certificate.der()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn params(
    attribute: DnType,
    name: &str,
    constraints: BasicConstraints,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(attribute, names::common(name)?);
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Validity::AUTHORITY.apply(&mut params)?;
    Ok(params)
}

/// A new ECDSA P-256 key.
pub(crate) fn key(subject: &str) -> Result<KeyPair, PkiError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|source| failed(subject, source))
}

pub(crate) fn failed(subject: &str, source: rcgen::Error) -> PkiError {
    PkiError::Certificate {
        subject: subject.to_owned(),
        source,
    }
}
