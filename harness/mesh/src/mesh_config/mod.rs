//! The mesh configuration.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::{
    admission::walk::{Problem, walk, without_nulls},
    api::{
        schema::{
            Field,
            Shape::{Bool, Duration, Enum, Free, List, Map, Object, Text},
            no, yes,
        },
        sidecar::{OutboundMode, OutboundTrafficPolicy},
    },
    duration,
};

/// The format of Istio's TEXT access logs since 1.23 (`pilot/pkg/model/telemetry_logging.go`).
pub const TEXT_FORMAT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" ",
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ",
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% ",
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ",
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n",
);

/// Mesh-wide fields: those that decide something on a TCP connection's way, those that decide nothing
/// there (read and left alone), and those that would and are not supported.
const FIELDS: &[Field] = &[
    yes("accessLogFile", Text),
    yes("accessLogFormat", Text),
    yes("accessLogEncoding", Enum(&["TEXT", "JSON"])),
    yes("disableEnvoyListenerLog", Bool),
    yes(
        "outboundTrafficPolicy",
        Object(&[
            yes(
                "mode",
                Enum(&["REGISTRY_ONLY", "ALLOW_ANY", "ALLOW_ANY_DYNAMIC_DNS"]),
            ),
            no("tls", Free),
        ]),
    ),
    yes("trustDomain", Text),
    yes("trustDomainAliases", List(&Text)),
    yes("rootNamespace", Text),
    yes("enableAutoMtls", Bool),
    yes("connectTimeout", Duration),
    yes("protocolDetectionTimeout", Duration),
    yes("dnsRefreshRate", Duration),
    yes(
        "defaultProviders",
        Object(&[
            yes("accessLogging", List(&Text)),
            yes("metrics", List(&Text)),
            yes("tracing", List(&Text)),
        ]),
    ),
    yes("extensionProviders", List(&Map(&Free))),
    // Without effect on TCP.
    yes("enablePrometheusMerge", Bool),
    yes("enableTracing", Bool),
    yes("ingressControllerMode", Text),
    yes("ingressClass", Text),
    yes("ingressService", Text),
    yes("ingressSelector", Text),
    yes("configSources", Free),
    yes("pathNormalization", Free),
    yes("defaultHttpRetryPolicy", Free),
    yes("serviceSettings", Free),
    yes(
        "defaultConfig",
        Object(&[
            yes("discoveryAddress", Text),
            yes("tracing", Free),
            yes("holdApplicationUntilProxyStarts", Bool),
            yes("terminationDrainDuration", Duration),
            yes("concurrency", Free),
            yes("image", Free),
            yes("proxyMetadata", Map(&Text)),
        ]),
    ),
    // With effect, and not supported.
    no("defaultServiceExportTo", List(&Text)),
    no("defaultVirtualServiceExportTo", List(&Text)),
    no("defaultDestinationRuleExportTo", List(&Text)),
    no("discoverySelectors", Free),
    no("localityLbSetting", Free),
    no("meshMTLS", Free),
    no("tlsDefaults", Free),
    no("tcpKeepalive", Free),
    no("h2UpgradePolicy", Text),
    no("caCertificates", Free),
    no("ca", Free),
    no("certificates", Free),
    no("enableEnvoyAccessLogService", Bool),
    no("inboundTrafficPolicy", Free),
    no("proxyListenPort", Free),
    no("proxyInboundListenPort", Free),
    no("proxyHttpPort", Free),
    no("inboundClusterStatName", Text),
    no("outboundClusterStatName", Text),
    no("verifyCertificateAtClient", Bool),
    no("defaultTrafficPolicy", Free),
    no("serviceScopeConfigs", Free),
];

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

/// The encoding of access logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogEncoding {
    /// Lines of an Envoy format string.
    Text(String),
    /// One JSON object a line: Istio's own keys (`None`), or these keys and format strings.
    Json(Option<Value>),
}

/// A provider of `extensionProviders` that writes access logs to a file.
#[derive(Clone, Debug)]
pub(crate) struct FileLogProvider {
    pub(crate) path: String,
    pub(crate) encoding: AccessLogEncoding,
    pub(crate) omit_empty_values: bool,
}

/// The mesh configuration: what was given, over Istio's defaults.
#[derive(Clone, Debug)]
pub struct MeshConfig {
    raw: Arc<Raw>,
    /// By lower-case name, as Istio looks them up; `None` where a provider writes no file.
    providers: BTreeMap<String, Option<FileLogProvider>>,
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
        mesh.check()?;
        Ok(mesh)
    }

    fn from_raw(raw: Raw) -> Self {
        let mut providers = BTreeMap::new();
        // Istio's built-in provider: the mesh's own format, to the standard output.
        providers.insert(
            "envoy".to_owned(),
            Some(FileLogProvider {
                path: "/dev/stdout".into(),
                encoding: encoding(&raw.access_log_encoding, &raw.access_log_format),
                omit_empty_values: false,
            }),
        );
        for provider in &raw.extension_providers {
            let Some(name) = provider.get("name").and_then(Value::as_str) else {
                continue;
            };
            let file = provider
                .get("envoyFileAccessLog")
                .map(|p| file_provider(p, name, &raw));
            providers.insert(name.to_lowercase(), file);
        }
        Self {
            raw: Arc::new(raw),
            providers,
        }
    }

    fn check(&self) -> Result<(), MeshConfigError> {
        if self.raw.outbound_traffic_policy.mode == OutboundMode::AllowAnyDynamicDns {
            return Err(MeshConfigError::Fields(
                "outboundTrafficPolicy.mode: ALLOW_ANY_DYNAMIC_DNS is not supported by the embedded mesh".into(),
            ));
        }
        for (index, provider) in self.raw.extension_providers.iter().enumerate() {
            if provider
                .get("name")
                .and_then(Value::as_str)
                .is_none_or(str::is_empty)
            {
                return Err(MeshConfigError::Fields(format!(
                    "extensionProviders[{index}].name: must be given"
                )));
            }
        }
        Ok(())
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
            encoding(&self.raw.access_log_encoding, &self.raw.access_log_format),
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

    /// A provider by name: `None` where there is none of that name, `Some(None)` where it writes no file.
    #[allow(
        clippy::option_option,
        reason = "no such provider is one thing, one without a file another"
    )]
    pub(crate) fn log_provider(&self, name: &str) -> Option<Option<&FileLogProvider>> {
        self.providers.get(&name.to_lowercase()).map(Option::as_ref)
    }
}

fn encoding(encoding: &str, format: &str) -> AccessLogEncoding {
    if encoding == "JSON" {
        // A format that is no JSON object is ignored, as istiod does with a log line.
        let own = serde_json::from_str::<Value>(format)
            .ok()
            .filter(Value::is_object);
        return AccessLogEncoding::Json(own);
    }
    AccessLogEncoding::Text(text_format(format))
}

/// An own format ends with a line feed, whether the user wrote one or not.
fn text_format(format: &str) -> String {
    match format {
        "" => TEXT_FORMAT.to_owned(),
        f if f.ends_with('\n') => f.to_owned(),
        f => format!("{f}\n"),
    }
}

fn file_provider(provider: &Value, name: &str, raw: &Raw) -> FileLogProvider {
    let path = provider["path"]
        .as_str()
        .filter(|p| !p.is_empty())
        .unwrap_or("/dev/stdout");
    let omit_empty_values = provider["omitEmptyValues"].as_bool().unwrap_or(false);
    let format = &provider["logFormat"];
    let encoding = if let Some(text) = format["text"].as_str() {
        AccessLogEncoding::Text(text_format(text))
    } else if format["labels"].is_object() {
        let labels = format["labels"].clone();
        AccessLogEncoding::Json(
            Some(labels).filter(|l| l.as_object().is_some_and(|o| !o.is_empty())),
        )
    } else if name == "envoy" && !omit_empty_values {
        encoding(&raw.access_log_encoding, &raw.access_log_format)
    } else {
        AccessLogEncoding::Text(TEXT_FORMAT.to_owned())
    };
    FileLogProvider {
        path: path.to_owned(),
        encoding,
        omit_empty_values,
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
