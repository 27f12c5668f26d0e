//! The tutorial's two levels of authorities: a root, and an intermediate that signs the leaves.

use crate::{Authority, Credential, PkiError};

/// A root and the intermediate below it.
#[derive(Debug)]
pub(crate) struct Levels {
    pub(crate) root: Authority,
    pub(crate) intermediate: Authority,
}

impl Levels {
    /// New authorities; `name` begins both of their common names.
    pub(crate) fn new(name: &str) -> Result<Self, PkiError> {
        let root = Authority::root(&format!("{name} root"))?;
        let intermediate = root.intermediate(&format!("{name} intermediate"))?;
        Ok(Self { root, intermediate })
    }

    /// Intermediate and root in PEM, in this order.
    pub(crate) fn pem(&self) -> String {
        self.intermediate.pem() + &self.root.pem()
    }

    /// A revocation list of each level in PEM: a proxy that is given any list wants one of every issuer
    /// on the path. `leaves` are the intermediate's; the root has revoked nothing.
    pub(crate) fn lists(&self, number: u64, leaves: &[&Credential]) -> Result<String, PkiError> {
        let intermediate = self.intermediate.revocation_list(number, leaves)?;
        Ok(intermediate + &self.root.revocation_list(number, &[])?)
    }
}
