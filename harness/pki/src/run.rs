//! All certificates of a run, good and broken, made when they are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::made::{Family, Kind, Made};
use crate::{Credential, PkiError, Trust, Wanted, Which, names};

/// All certificates of a run between the gateways, in memory only. What is asked for is made then, and
/// stays the same for the whole run: who revokes a leaf revokes the one that is shown.
#[derive(Debug)]
pub struct RunPki {
    dns_name: String,
    made: Mutex<Made>,
}

impl RunPki {
    /// For the DNS name of the service: subject and name of both leaves. Nothing is made yet.
    ///
    /// # Errors
    /// The name is no DNS name, or longer than a common name may be (64).
    pub fn new(dns_name: &str) -> Result<Self, PkiError> {
        names::dns(dns_name)?;
        names::common(dns_name)?;
        Ok(Self {
            dns_name: dns_name.to_owned(),
            made: Mutex::default(),
        })
    }

    /// The data of a Secret that a gateway reads by `credentialName`: `tls.key`, `tls.crt`, and, where
    /// they are wanted, `ca.crt` and `ca.crl`. Secret.
    ///
    /// # Errors
    /// A name that cannot stand in a certificate, a revocation list without authorities, or something
    /// cannot be made.
    pub fn secret(&self, wanted: &Wanted) -> Result<BTreeMap<String, Vec<u8>>, PkiError> {
        let credential = self.credential(wanted)?;
        let mut data = BTreeMap::from([
            ("tls.key".to_owned(), credential.key().pem().into_bytes()),
            ("tls.crt".to_owned(), credential.chain_pem().into_bytes()),
        ]);
        if !wanted.trusts.is_empty() {
            let authorities = self.authorities_pem(&wanted.trusts)?;
            data.insert("ca.crt".to_owned(), authorities.into_bytes());
        }
        if !wanted.revokes.is_empty() {
            let lists = self.revocation_lists_pem(&wanted.trusts, &wanted.revokes)?;
            data.insert("ca.crl".to_owned(), lists.into_bytes());
        }
        Ok(data)
    }

    /// Leaf, chain and key alone, for a client that is no gateway; what is trusted and revoked plays no
    /// part in it.
    ///
    /// # Errors
    /// A name that cannot stand in a certificate, or it cannot be made.
    pub fn credential(&self, wanted: &Wanted) -> Result<Arc<Credential>, PkiError> {
        let kind = Kind {
            which: wanted.which,
            flaw: wanted.flaw,
            signer: wanted.signer,
            leaf: wanted.leaf,
            dns_name: wanted.dns_name.as_ref().unwrap_or(&self.dns_name).clone(),
        };
        self.with(|made| made.credential(kind))
    }

    /// Authorities in PEM: the content of `ca.crt`.
    ///
    /// # Errors
    /// They cannot be made.
    pub fn authorities_pem(&self, trusts: &[Trust]) -> Result<String, PkiError> {
        self.with(|made| {
            let pem = |trust: &Trust| {
                let levels = made.levels(Family::trusted(*trust))?;
                Ok(match trust {
                    Trust::RunRoot => levels.root.pem(),
                    Trust::Run | Trust::New | Trust::Other => levels.pem(),
                })
            };
            trusts.iter().map(pem).collect()
        })
    }

    /// Revocation lists in PEM, of root and intermediate of each of these authorities: the content of
    /// `ca.crl`. Those of the run and of its successor revoke the first good leaf of each of `revokes`.
    ///
    /// # Errors
    /// No authority is given, as proxies refuse lists without one; or they cannot be made.
    pub fn revocation_lists_pem(
        &self,
        trusts: &[Trust],
        revokes: &[Which],
    ) -> Result<String, PkiError> {
        if trusts.is_empty() {
            return Err(PkiError::ListWithoutAuthority);
        }
        // More than once is no other list: neither an authority nor a leaf.
        let families: BTreeSet<Family> = trusts.iter().copied().map(Family::trusted).collect();
        let revokes: BTreeSet<Which> = revokes.iter().copied().collect();
        self.with(|made| {
            families
                .into_iter()
                .map(|family| made.lists(family, &revokes, &self.dns_name))
                .collect()
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Made) -> T) -> T {
        // Whatever panicked elsewhere, what is in here was put in whole.
        work(&mut self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
