//! The tutorial's four levels: root, intermediate, application, client.

use crate::{Authority, Credential, Leaf, PkiError};

/// The certificates between the egress and the ingress gateway.
#[derive(Debug)]
pub struct Tutorial {
    /// The root, trusted by both gateways.
    pub root: Authority,
    /// Signed by the root; signs both leaves.
    pub intermediate: Authority,
    /// The ingress gateway's: subject and DNS name are the service's, serverAuth.
    pub application: Credential,
    /// The egress gateway's: subject and DNS name are the service's, clientAuth.
    pub client: Credential,
}

impl Tutorial {
    /// Makes all four for the DNS name of the service.
    ///
    /// # Errors
    /// The name is no DNS name or longer than a common name may be (64), or a certificate cannot be
    /// made.
    pub fn new(dns_name: &str) -> Result<Self, PkiError> {
        let root = Authority::root("meshproof root")?;
        let intermediate = root.intermediate("meshproof intermediate")?;
        let application = intermediate.issue(&Leaf::server(dns_name))?;
        let client = intermediate.issue(&Leaf::client(dns_name))?;
        Ok(Self {
            root,
            intermediate,
            application,
            client,
        })
    }

    /// Intermediate and root in PEM, in this order: the content of `ca.crt`.
    pub fn ca_chain_pem(&self) -> String {
        self.intermediate.pem() + &self.root.pem()
    }

    /// The keys and values of a Kubernetes Secret that a gateway reads by `credentialName`:
    /// `tls.key`, `tls.crt` and `ca.crt`. Secret.
    pub fn secret_data(&self, leaf: &Credential) -> [(&'static str, String); 3] {
        [
            ("tls.key", leaf.key().pem()),
            ("tls.crt", leaf.chain_pem()),
            ("ca.crt", self.ca_chain_pem()),
        ]
    }
}
