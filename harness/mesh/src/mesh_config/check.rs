//! What the shape of a mesh configuration does not say: values that cannot be, or that the embedded
//! mesh does not support.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{MeshConfig, ProviderKind, Raw};
use crate::{admission, api::sidecar::OutboundMode, duration};

const MILLISECOND: i128 = 1_000_000;
const HOUR: i128 = 3_600_000 * MILLISECOND;

/// Variables of the proxy that change what istiod tells it, and that the embedded mesh does not read.
const PROXY_VARIABLES: &[&str] = &[
    "ISTIO_META_DNS_CAPTURE",
    "ISTIO_META_DNS_AUTO_ALLOCATE",
    "ISTIO_META_IDLE_TIMEOUT",
    "ISTIO_META_INTERCEPTION_MODE",
    "ISTIO_META_UNPRIVILEGED_POD",
    "ISTIO_META_REQUESTED_NETWORK_VIEW",
    "ISTIO_META_NETWORK",
    "ISTIO_META_HTTP_PROXY_PORT",
    "ISTIO_META_ROUTER_MODE",
    "ISTIO_META_ENABLE_HBONE",
    "ISTIO_META_TLS_CLIENT_CERT_CHAIN",
    "ISTIO_META_TLS_CLIENT_KEY",
    "ISTIO_META_TLS_CLIENT_ROOT_CERT",
    "ISTIO_META_TLS_SERVER_CERT_CHAIN",
    "ISTIO_META_TLS_SERVER_KEY",
    "ISTIO_META_TLS_SERVER_ROOT_CERT",
];

/// All problems, each with the path of the field.
pub(super) fn problems(mesh: &MeshConfig) -> Vec<String> {
    let raw = &mesh.raw;
    let mut found = modes(raw);
    found.extend(timeouts(raw));
    if !raw.mesh_mtls.ecdh_curves.is_empty() {
        found.push(
            "meshMTLS.ecdhCurves: mesh TLS does not support ECDH curves configuration".into(),
        );
    }
    if raw.trust_domain.is_empty() {
        found.push("trustDomain: must not be empty".into());
    }
    if let Some(error) = admission::locality_error(&raw.locality_lb_setting) {
        found.push(format!("localityLbSetting: {error}"));
    }
    found.extend(providers(mesh));
    for (name, value) in &raw.default_config.proxy_metadata {
        if PROXY_VARIABLES.contains(&name.as_str()) && !matches!(value.as_str(), "" | "false") {
            found.push(unsupported(
                &format!("defaultConfig.proxyMetadata.{name}"),
                value,
            ));
        }
    }
    found
}

fn unsupported(path: &str, value: &str) -> String {
    format!("{path}: {value} is not supported by the embedded mesh")
}

fn modes(raw: &Raw) -> Vec<String> {
    let mut found = Vec::new();
    if raw.outbound_traffic_policy.mode == OutboundMode::AllowAnyDynamicDns {
        found.push(unsupported(
            "outboundTrafficPolicy.mode",
            "ALLOW_ANY_DYNAMIC_DNS",
        ));
    }
    let interception = raw.default_config.interception_mode.as_str();
    if !matches!(interception, "" | "REDIRECT") {
        found.push(unsupported("defaultConfig.interceptionMode", interception));
    }
    found
}

/// The ranges that istiod checks (`pkg/config/validation/agent/validation.go`).
fn timeouts(raw: &Raw) -> Vec<String> {
    let mut found = Vec::new();
    let nanos = |text: &str| duration::parse(text).unwrap_or_default();
    let connect = nanos(&raw.connect_timeout);
    if !(MILLISECOND..=HOUR).contains(&connect) || connect % MILLISECOND != 0 {
        found.push(format!(
            "connectTimeout: {}: must be between 1ms and 1h, in whole milliseconds",
            raw.connect_timeout
        ));
    }
    let detection = nanos(&raw.protocol_detection_timeout);
    if detection < 0 || detection % MILLISECOND != 0 {
        found.push(format!(
            "protocolDetectionTimeout: {}: must be in whole milliseconds",
            raw.protocol_detection_timeout
        ));
    }
    found
}

fn providers(mesh: &MeshConfig) -> Vec<String> {
    let mut found = Vec::new();
    for (index, provider) in mesh.raw.extension_providers.iter().enumerate() {
        let path = format!("extensionProviders[{index}]");
        let name = provider.get("name").and_then(Value::as_str);
        if name.is_none_or(str::is_empty) {
            found.push(format!("{path}.name: must be given"));
        }
        let kinds: Vec<&str> = kinds(provider).collect();
        if kinds.len() > 1 {
            let first = kinds.join(", ");
            found.push(format!("{path}: {first}: only one of them may be given"));
        }
        let format = &provider.get("envoyFileAccessLog").unwrap_or(&Value::Null)["logFormat"];
        if let Some(format) = format.as_object().filter(|f| f.len() != 1) {
            let found_keys: Vec<&str> = format.keys().map(String::as_str).collect();
            found.push(format!(
                "{path}.envoyFileAccessLog.logFormat: must have either text or labels, found [{}]",
                found_keys.join(", ")
            ));
        }
    }
    for (index, name) in mesh.default_log_providers().iter().enumerate() {
        if matches!(
            mesh.provider(name).map(|p| &p.kind),
            Some(ProviderKind::RemoteLog)
        ) {
            let path = format!("defaultProviders.accessLogging[{index}]");
            let what = format!("provider {name}, which writes to no file,");
            found.push(unsupported(&path, &what));
        }
    }
    found
}

fn kinds(provider: &BTreeMap<String, Value>) -> impl Iterator<Item = &str> {
    provider.keys().map(String::as_str).filter(|k| *k != "name")
}
