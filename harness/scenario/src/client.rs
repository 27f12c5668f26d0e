//! What a case's client does beyond running SQL: how it logs in, and how a prober opens TLS.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{At, OwnTls, Secret, TlsVersion};

/// How the MySQL client logs in, where it differs from the scenario's `database`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Login {
    /// The user.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub user: Option<At<String>>,
    /// Logs in with a password that is none's.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub wrong_password: Option<At<bool>>,
    /// The database that it asks for when it connects.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub database: Option<At<String>>,
    /// MySQL's own TLS inside the connection; `off` where nothing is said.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub tls: Option<At<OwnTls>>,
}

/// How a prober opens TLS.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientTls {
    /// The server name it asks for; none where nothing is said.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub sni: Option<At<String>>,
    /// The protocols it offers.
    #[serde(default)]
    pub alpn: Vec<At<String>>,
    /// The lowest version it offers; 1.2 where nothing is said.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub min: Option<At<TlsVersion>>,
    /// The highest version it offers; 1.3 where nothing is said.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub max: Option<At<TlsVersion>>,
    /// The certificate it shows when asked; none where nothing is said.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub shows: Option<At<Secret>>,
    /// Opens with a hello that is none.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub malformed: Option<At<bool>>,
}
