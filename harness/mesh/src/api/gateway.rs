//! `Gateway`.

use serde::Deserialize;

use super::Labels;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Gateway {
    pub(crate) selector: Option<Labels>,
    pub(crate) servers: Vec<Server>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Server {
    pub(crate) port: Option<ServerPort>,
    pub(crate) bind: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) tls: Option<ServerTls>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ServerPort {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) target_port: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ServerTlsMode {
    #[default]
    Passthrough,
    Simple,
    Mutual,
    AutoPassthrough,
    IstioMutual,
    OptionalMutual,
}

impl ServerTlsMode {
    pub(crate) fn is_passthrough(self) -> bool {
        matches!(self, Self::Passthrough | Self::AutoPassthrough)
    }

    /// The modes that take a certificate of the user's.
    pub(crate) fn terminates_with_credential(self) -> bool {
        matches!(self, Self::Simple | Self::Mutual | Self::OptionalMutual)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ServerTls {
    pub(crate) mode: ServerTlsMode,
    pub(crate) https_redirect: bool,
    pub(crate) server_certificate: String,
    pub(crate) private_key: String,
    pub(crate) ca_certificates: String,
    pub(crate) ca_crl: String,
    pub(crate) credential_name: String,
    pub(crate) credential_names: Vec<String>,
    pub(crate) ca_cert_credential_name: String,
    pub(crate) tls_certificates: Vec<serde_json::Value>,
    pub(crate) subject_alt_names: Vec<String>,
    pub(crate) verify_certificate_spki: Vec<String>,
    pub(crate) verify_certificate_hash: Vec<String>,
    pub(crate) min_protocol_version: TlsVersion,
    pub(crate) max_protocol_version: TlsVersion,
    pub(crate) cipher_suites: Vec<String>,
    pub(crate) ecdh_curves: Vec<String>,
    pub(crate) insecure_skip_verify: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum TlsVersion {
    #[default]
    #[serde(rename = "TLS_AUTO")]
    Auto,
    #[serde(rename = "TLSV1_0")]
    V1_0,
    #[serde(rename = "TLSV1_1")]
    V1_1,
    #[serde(rename = "TLSV1_2")]
    V1_2,
    #[serde(rename = "TLSV1_3")]
    V1_3,
}

impl TlsVersion {
    /// Envoy's name; `None` for Envoy's default.
    pub(crate) fn envoy(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::V1_0 => Some("TLSv1_0"),
            Self::V1_1 => Some("TLSv1_1"),
            Self::V1_2 => Some("TLSv1_2"),
            Self::V1_3 => Some("TLSv1_3"),
        }
    }
}
