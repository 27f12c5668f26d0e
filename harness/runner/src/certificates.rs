//! The certificates of a run as the data of Secrets.

use std::collections::BTreeMap;

use meshproof_pki::{PkiError, Tutorial};
use meshproof_scenario::Certificate;

/// Data of a TLS Secret.
pub(crate) type SecretData = BTreeMap<String, Vec<u8>>;

/// The two leaves with their chain, made for one run and kept in memory only.
pub(crate) struct Leaves {
    client: SecretData,
    application: SecretData,
}

impl Leaves {
    /// # Errors
    /// TEMP
    pub(crate) fn secret(&self, secret: &meshproof_scenario::Secret) -> Result<SecretData, String> {
        Ok(match secret.certificate {
            Certificate::Client => &self.client,
            Certificate::Application => &self.application,
        }
        .clone())
    }
}

/// Makes root, intermediate and both leaves for the DNS name.
///
/// # Errors
/// The name is no DNS name, or too long for a certificate.
pub(crate) fn make(dns_name: &str) -> Result<Leaves, PkiError> {
    let made = Tutorial::new(dns_name)?;
    let data = |leaf| {
        made.secret_data(leaf)
            .into_iter()
            .map(|(key, pem)| (key.to_owned(), pem.into_bytes()))
            .collect()
    };
    Ok(Leaves {
        client: data(&made.client),
        application: data(&made.application),
    })
}
impl Leaves {
    pub(crate) fn fingerprint(
        &self,
        _secret: &meshproof_scenario::Secret,
    ) -> Result<String, String> {
        Err("TEMP".to_owned())
    }
}
