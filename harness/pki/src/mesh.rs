//! The mesh's own authority: what istiod is to sidecars and gateways.

use rcgen::DnType;

use crate::{Authority, Credential, Leaf, PkiError, names};

/// The SPIFFE id of a service account, as Istio writes it.
pub fn spiffe_id(trust_domain: &str, namespace: &str, service_account: &str) -> String {
    format!("spiffe://{trust_domain}/ns/{namespace}/sa/{service_account}")
}

/// The authority of one mesh: a root of its own, subject `O=<trust domain>` as istiod's.
#[derive(Debug)]
pub struct MeshCa {
    authority: Authority,
    trust_domain: String,
}

impl MeshCa {
    /// A new root for a trust domain, by default `cluster.local`.
    ///
    /// # Errors
    /// The trust domain is no name, or the certificate cannot be made.
    pub fn new(trust_domain: &str) -> Result<Self, PkiError> {
        let authority = Authority::self_signed(DnType::OrganizationName, trust_domain)?;
        Ok(Self {
            authority,
            trust_domain: trust_domain.to_owned(),
        })
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// A certificate for the pods of a service account: no subject, its SPIFFE id as the only name
    /// (and so critical, RFC 5280, section 4.2.1.6), for servers and clients.
    ///
    /// # Errors
    /// Namespace or account cannot stand in a SPIFFE id, or the certificate cannot be made.
    pub fn issue(&self, namespace: &str, service_account: &str) -> Result<Credential, PkiError> {
        names::segment("namespace", namespace)?;
        names::segment("service account", service_account)?;
        self.authority.issue(&Leaf::workload(&spiffe_id(
            &self.trust_domain,
            namespace,
            service_account,
        )))
    }

    /// The root in PEM: what proxies get as `ROOTCA`.
    pub fn root_pem(&self) -> String {
        self.authority.pem()
    }

    /// The root in DER.
    pub fn root_der(&self) -> &[u8] {
        self.authority.der()
    }
}
