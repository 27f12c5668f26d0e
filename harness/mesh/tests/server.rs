//! Istio's rules for the accepting side, beyond the recorded cases: one small cluster each.
//!
//! Each test names the file of Istio's source that has its rule.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, missing_docs)]

#[path = "server/gateways.rs"]
mod gateways;
#[path = "server/inbound.rs"]
mod inbound;
#[path = "server/logs.rs"]
mod logs;
#[path = "server/mesh_config.rs"]
mod mesh_config;
#[path = "server/policies.rs"]
mod policies;
#[path = "server/secrets.rs"]
mod secrets;
#[path = "server/tls.rs"]
mod tls;

use std::sync::Arc;

use meshproof_mesh::{MeshConfig, Objects, ProxyConfig, ProxyId, compile};
use serde_json::{Value, json};

pub(crate) const MESH: &str = "accessLogFile: /dev/stdout";

/// The gateway `gw` and the database `mysql`, with their services.
pub(crate) fn cluster() -> Vec<Value> {
    vec![
        pod("gw", "10.0.0.1", "router"),
        pod("mysql", "10.0.0.2", "sidecar"),
        service(
            "gw",
            json!([{"name": "tls", "port": 443, "targetPort": 8443}]),
        ),
        service("mysql", json!([{"port": 3306}])),
    ]
}

pub(crate) fn with(more: Vec<Value>) -> Vec<Value> {
    let mut objects = cluster();
    objects.extend(more);
    objects
}

pub(crate) fn pod(name: &str, ip: &str, role: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name, "security.istio.io/tlsMode": "istio"}},
        "spec": {"serviceAccountName": name, "containers": [{"name": "istio-proxy", "args": ["proxy", role]}]},
        "status": {"podIP": ip}})
}

pub(crate) fn service(name: &str, ports: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": {"clusterIP": "10.96.0.1", "selector": {"app": name}, "ports": ports}})
}

pub(crate) fn secret(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}, "data": data})
}

pub(crate) fn istio(kind: &str, name: &str, spec: Value) -> Value {
    in_namespace(kind, name, "default", spec)
}

pub(crate) fn in_namespace(kind: &str, name: &str, namespace: &str, spec: Value) -> Value {
    let group = match kind {
        "PeerAuthentication" | "AuthorizationPolicy" => "security.istio.io/v1",
        "Telemetry" => "telemetry.istio.io/v1",
        _ => "networking.istio.io/v1",
    };
    json!({"apiVersion": group, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

pub(crate) fn gateway(name: &str, servers: Value) -> Value {
    istio(
        "Gateway",
        name,
        json!({"selector": {"app": "gw"}, "servers": servers}),
    )
}

/// A server on 13306 with TLS of the credential `c`.
pub(crate) fn server(name: &str, host: &str) -> Value {
    json!({"port": {"number": 13306, "name": name, "protocol": "TLS"}, "hosts": [host],
        "tls": {"mode": "MUTUAL", "credentialName": "c"}})
}

/// A route of everything at a gateway to MySQL.
pub(crate) fn route(name: &str, gateway: &str) -> Value {
    istio(
        "VirtualService",
        name,
        json!({"hosts": ["*"], "gateways": [gateway],
            "tcp": [{"route": [{"destination": {"host": "mysql", "port": {"number": 3306}}}]}]}),
    )
}

pub(crate) fn compiled(mesh: &str, objects: Vec<Value>, proxy: &str) -> ProxyConfig {
    let mesh = Arc::new(MeshConfig::from_yaml(mesh).unwrap());
    let objects = Objects::new(mesh, objects.into_iter().map(Arc::new));
    let proxy = ProxyId {
        namespace: "default".into(),
        name: proxy.into(),
    };
    compile(&objects, &proxy)
}

pub(crate) fn named<'a>(list: &'a [Arc<Value>], name: &str) -> &'a Value {
    list.iter()
        .find(|v| v["name"] == name)
        .map_or(&Value::Null, |v| &**v)
}

pub(crate) fn chains<'a>(config: &'a ProxyConfig, listener: &str) -> &'a [Value] {
    named(&config.listeners, listener)["filter_chains"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

/// The TLS context of the only chain of the gateway's listener on 13306.
pub(crate) fn context(config: &ProxyConfig) -> &Value {
    &chains(config, "0.0.0.0_13306")[0]["transport_socket"]["typed_config"]
}
