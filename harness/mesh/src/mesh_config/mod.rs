//! The mesh configuration.

mod check;
mod fields;
mod providers;

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::{
    admission::walk::{Problem, walk, without_nulls},
    api::{
        destination_rule::{LocalityLb, TcpKeepalive},
        sidecar::{OutboundMode, OutboundTrafficPolicy},
    },
    duration,
};
use fields::FIELDS;
pub use providers::{AccessLogEncoding, TEXT_FORMAT};
pub(crate) use providers::{Authorizer, FileLogProvider, Provider, ProviderKind};

/// A mesh configuration that cannot be used.
#[derive(Debug, Error)]
pub enum MeshConfigError {
    /// The text is not YAML.
    #[error("reading the mesh configuration: line {line}, column {column}: {message}")]
    Yaml {
        /// From 1; 0 where unknown.
        line: u64,
        /// From 1; 0 where unknown.
        column: u64,
        /// What the reader says.
        message: String,
    },
    /// Fields are unknown, of the wrong type, or not supported.
    #[error("mesh configuration: {0}")]
    Fields(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    access_log_file: String,
    access_log_format: String,
    access_log_encoding: String,
    disable_envoy_listener_log: bool,
    outbound_traffic_policy: OutboundTrafficPolicy,
    trust_domain: String,
    trust_domain_aliases: Vec<String>,
    root_namespace: String,
    enable_auto_mtls: bool,
    #[serde(rename = "meshMTLS")]
    mesh_mtls: TlsSettings,
    tls_defaults: TlsSettings,
    inbound_traffic_policy: InboundTrafficPolicy,
    tcp_keepalive: Option<TcpKeepalive>,
    locality_lb_setting: LocalityLb,
    default_config: ProxyConfig,
    default_service_export_to: Vec<String>,
    default_virtual_service_export_to: Vec<String>,
    default_destination_rule_export_to: Vec<String>,
    connect_timeout: String,
    protocol_detection_timeout: String,
    dns_refresh_rate: String,
    default_providers: DefaultProviders,
    extension_providers: Vec<BTreeMap<String, Value>>,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            access_log_file: String::new(),
            access_log_format: String::new(),
            access_log_encoding: "TEXT".into(),
            disable_envoy_listener_log: false,
            outbound_traffic_policy: OutboundTrafficPolicy {
                mode: OutboundMode::AllowAny,
            },
            trust_domain: "cluster.local".into(),
            trust_domain_aliases: Vec::new(),
            root_namespace: "istio-system".into(),
            enable_auto_mtls: true,
            mesh_mtls: TlsSettings::default(),
            tls_defaults: TlsSettings::default(),
            inbound_traffic_policy: InboundTrafficPolicy::default(),
            tcp_keepalive: None,
            locality_lb_setting: LocalityLb::default(),
            default_config: ProxyConfig::default(),
            default_service_export_to: Vec::new(),
            default_virtual_service_export_to: Vec::new(),
            default_destination_rule_export_to: Vec::new(),
            connect_timeout: "10s".into(),
            protocol_detection_timeout: "0s".into(),
            dns_refresh_rate: "60s".into(),
            default_providers: DefaultProviders::default(),
            extension_providers: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DefaultProviders {
    access_logging: Vec<String>,
}

/// TLS that is said for the whole mesh (`meshMTLS`) or for all TLS besides it (`tlsDefaults`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TlsSettings {
    min_protocol_version: String,
    pub(crate) ecdh_curves: Vec<String>,
    pub(crate) cipher_suites: Vec<String>,
}

impl TlsSettings {
    /// The least version, by Envoy's name; `None` where none is said.
    pub(crate) fn least_version(&self) -> Option<&'static str> {
        match self.min_protocol_version.as_str() {
            "TLSV1_2" => Some("TLSv1_2"),
            "TLSV1_3" => Some("TLSv1_3"),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct InboundTrafficPolicy {
    mode: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ProxyConfig {
    interception_mode: String,
    proxy_metadata: BTreeMap<String, String>,
}

/// The mesh configuration: what was given, over Istio's defaults.
#[derive(Clone, Debug)]
pub struct MeshConfig {
    raw: Arc<Raw>,
    /// Istio's own first.
    providers: Arc<[Provider]>,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self::from_raw(Raw::default())
    }
}

impl MeshConfig {
    /// Reads YAML (or JSON) text; empty text is Istio's defaults. A field that the embedded mesh
    /// does not support is an error that names it, and so is a field that nobody knows.
    pub fn from_yaml(text: &str) -> Result<Self, MeshConfigError> {
        if text
            .lines()
            .all(|l| l.trim().is_empty() || l.trim_start().starts_with('#'))
        {
            return Ok(Self::default());
        }
        let value: Value = serde_saphyr::from_str(text).map_err(|error| {
            let at = error.location();
            MeshConfigError::Yaml {
                line: at.as_ref().map_or(0, serde_saphyr::Location::line),
                column: at.as_ref().map_or(0, serde_saphyr::Location::column),
                message: first_line(&error.to_string()),
            }
        })?;
        let value = without_nulls(&value);
        refuse(&value)?;
        let raw: Raw =
            serde_json::from_value(value).map_err(|e| MeshConfigError::Fields(e.to_string()))?;
        let mesh = Self::from_raw(raw);
        let problems = check::problems(&mesh);
        if problems.is_empty() {
            Ok(mesh)
        } else {
            Err(MeshConfigError::Fields(problems.join("; ")))
        }
    }

    fn from_raw(mut raw: Raw) -> Self {
        // As istiod keeps them (`pkg/config/mesh/mesh.go`).
        raw.trust_domain_aliases.sort();
        raw.trust_domain_aliases.dedup();
        let encoding = providers::encoding(&raw.access_log_encoding, &raw.access_log_format);
        Self {
            providers: providers::all(&raw.extension_providers, &encoding).into(),
            raw: Arc::new(raw),
        }
    }

    /// The trust domain of every identity, `cluster.local` by default.
    pub fn trust_domain(&self) -> &str {
        &self.raw.trust_domain
    }

    /// Other trust domains whose identities count as this mesh's.
    pub fn trust_domain_aliases(&self) -> &[String] {
        &self.raw.trust_domain_aliases
    }

    /// The namespace of mesh-wide policies, `istio-system` by default.
    pub fn root_namespace(&self) -> &str {
        &self.raw.root_namespace
    }

    /// The Envoy format string of the proxies' TEXT access logs (Istio's own by default); `None` where
    /// they are off or JSON.
    pub fn access_log_format(&self) -> Option<String> {
        match self.access_log()? {
            (_, AccessLogEncoding::Text(format)) => Some(format),
            (_, AccessLogEncoding::Json(_)) => None,
        }
    }

    /// Where proxies write access logs (`accessLogFile`); `None` where they do not.
    pub fn access_log_file(&self) -> Option<&str> {
        Some(self.raw.access_log_file.as_str()).filter(|f| !f.is_empty())
    }

    /// File and encoding of the proxies' access logs; `None` where they are off.
    pub fn access_log(&self) -> Option<(&str, AccessLogEncoding)> {
        let file = self.access_log_file()?;
        Some((
            file,
            providers::encoding(&self.raw.access_log_encoding, &self.raw.access_log_format),
        ))
    }

    pub(crate) fn outbound_mode(&self) -> OutboundMode {
        self.raw.outbound_traffic_policy.mode
    }

    pub(crate) fn auto_mtls(&self) -> bool {
        self.raw.enable_auto_mtls
    }

    pub(crate) fn listener_log(&self) -> bool {
        !self.raw.disable_envoy_listener_log
    }

    pub(crate) fn connect_timeout(&self) -> String {
        duration::envoy(&self.raw.connect_timeout).unwrap_or_else(|| "10s".into())
    }

    pub(crate) fn protocol_detection_timeout(&self) -> String {
        duration::envoy(&self.raw.protocol_detection_timeout).unwrap_or_else(|| "0s".into())
    }

    pub(crate) fn dns_refresh_rate(&self) -> String {
        duration::envoy(&self.raw.dns_refresh_rate).unwrap_or_else(|| "60s".into())
    }

    pub(crate) fn default_log_providers(&self) -> &[String] {
        &self.raw.default_providers.access_logging
    }

    /// A provider by name, in whatever case.
    pub(crate) fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers
            .iter()
            .find(|p| p.name.to_lowercase() == name.to_lowercase())
    }

    /// A provider by its exact name, if it decides on something.
    pub(crate) fn authorizer(&self, name: &str) -> Option<&Authorizer> {
        let provider = self.providers.iter().find(|p| p.name == name)?;
        match &provider.kind {
            ProviderKind::Authorizer(authorizer) => Some(authorizer),
            _ => None,
        }
    }

    /// The trust domains whose identities a sidecar accepts, the mesh's own first.
    pub(crate) fn accepted_trust_domains(&self) -> Vec<&str> {
        let mut domains = vec![self.trust_domain()];
        for alias in self.trust_domain_aliases() {
            if !alias.is_empty() && !domains.contains(&alias.as_str()) {
                domains.push(alias);
            }
        }
        domains
    }

    /// What is said of mesh TLS.
    pub(crate) fn mesh_tls(&self) -> &TlsSettings {
        &self.raw.mesh_mtls
    }

    /// What is said of all other TLS.
    pub(crate) fn tls_defaults(&self) -> &TlsSettings {
        &self.raw.tls_defaults
    }

    /// Whether a sidecar passes connections on to 127.0.0.1, and not to the address they came for.
    pub(crate) fn inbound_to_localhost(&self) -> bool {
        self.raw.inbound_traffic_policy.mode == "LOCALHOST"
    }

    /// Who sees a service that does not say so; empty for everyone.
    pub(crate) fn service_export_to(&self) -> &[String] {
        &self.raw.default_service_export_to
    }

    /// Who sees a `VirtualService` that does not say so; empty for everyone.
    pub(crate) fn virtual_service_export_to(&self) -> &[String] {
        &self.raw.default_virtual_service_export_to
    }

    /// Who sees a `DestinationRule` that does not say so: its namespace or everyone. istiod looks for
    /// `.` there and for nothing else (`pilot/pkg/model/push_context.go`).
    pub(crate) fn destination_rule_export_to(&self) -> &[String] {
        let own = |e: &&String| *e == ".";
        let said = &self.raw.default_destination_rule_export_to;
        said.iter().find(own).map_or(&[], std::slice::from_ref)
    }

    /// How connections spread over places where no rule says it.
    pub(crate) fn locality_lb(&self) -> &LocalityLb {
        &self.raw.locality_lb_setting
    }

    pub(crate) fn tcp_keepalive(&self) -> Option<&TcpKeepalive> {
        self.raw.tcp_keepalive.as_ref()
    }
}

fn refuse(value: &Value) -> Result<(), MeshConfigError> {
    let problems = walk(value, FIELDS, "");
    if problems.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
    Err(MeshConfigError::Fields(texts.join("; ")))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
