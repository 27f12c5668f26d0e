//! What a leaf certificate says.

use std::net::IpAddr;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    SanType,
};

use crate::{PkiError, Validity, names};

/// What a leaf may be used for (RFC 5280, section 4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// serverAuth.
    Server,
    /// clientAuth.
    Client,
}

/// What a leaf certificate says. Built up, then given to [`crate::Authority::issue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    common_name: Option<String>,
    dns: Vec<String>,
    ips: Vec<IpAddr>,
    uris: Vec<String>,
    purposes: Vec<Purpose>,
    validity: Validity,
}

impl Leaf {
    /// A server of that DNS name, which is also its common name: the whole subject is `CN=<name>`.
    pub fn server(dns: &str) -> Self {
        Self::named(dns, Purpose::Server)
    }

    /// A client of that DNS name, which is also its common name: the whole subject is `CN=<name>`,
    /// and that is what a proxy logs as the peer's subject.
    pub fn client(dns: &str) -> Self {
        Self::named(dns, Purpose::Client)
    }

    /// A workload of a mesh, as istiod makes them: no subject, one SPIFFE id, both purposes.
    pub fn workload(spiffe_id: &str) -> Self {
        let purposes = vec![Purpose::Server, Purpose::Client];
        Self {
            common_name: None,
            dns: Vec::new(),
            ips: Vec::new(),
            uris: vec![spiffe_id.to_owned()],
            purposes,
            validity: Validity::LEAF,
        }
    }

    fn named(dns: &str, purpose: Purpose) -> Self {
        let dns = dns.to_owned();
        Self {
            common_name: Some(dns.clone()),
            dns: vec![dns],
            ips: Vec::new(),
            uris: Vec::new(),
            purposes: vec![purpose],
            validity: Validity::LEAF,
        }
    }

    /// Also valid for another DNS name.
    #[must_use]
    pub fn and_dns(mut self, name: &str) -> Self {
        self.dns.push(name.to_owned());
        self
    }

    /// Also valid for an address.
    #[must_use]
    pub fn and_ip(mut self, address: IpAddr) -> Self {
        self.ips.push(address);
        self
    }

    /// Valid at another time.
    #[must_use]
    pub const fn valid(mut self, validity: Validity) -> Self {
        self.validity = validity;
        self
    }

    /// Whose certificate it is, for messages.
    pub(crate) fn subject(&self) -> &str {
        self.common_name
            .as_deref()
            .or(self.uris.first().map(String::as_str))
            .unwrap_or("nobody")
    }

    pub(crate) fn params(&self) -> Result<CertificateParams, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = &self.common_name {
            params
                .distinguished_name
                .push(DnType::CommonName, names::common(name)?);
        }
        params.subject_alt_names = self.alternative_names()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = self
            .purposes
            .iter()
            .map(|purpose| purpose.usage())
            .collect();
        params.use_authority_key_identifier_extension = true;
        self.validity.apply(&mut params)?;
        Ok(params)
    }

    fn alternative_names(&self) -> Result<Vec<SanType>, PkiError> {
        let dns = self
            .dns
            .iter()
            .map(|name| names::dns(name).map(SanType::DnsName));
        let ips = self
            .ips
            .iter()
            .map(|address| Ok(SanType::IpAddress(*address)));
        let uris = self
            .uris
            .iter()
            .map(|id| names::spiffe(id).map(SanType::URI));
        dns.chain(ips).chain(uris).collect()
    }
}

impl Purpose {
    const fn usage(self) -> ExtendedKeyUsagePurpose {
        match self {
            Self::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Self::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }
    }
}
