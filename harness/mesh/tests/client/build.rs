//! Small clusters, and what is made of them.

use std::sync::Arc;

use meshproof_mesh::{MeshConfig, Objects, ProxyConfig, ProxyId, admit, compile};
use serde_json::{Value, json};

/// A pod with a sidecar, ready.
pub(crate) fn pod(name: &str, namespace: &str, ip: &str) -> Value {
    proxied(name, namespace, ip, "sidecar")
}

/// A pod that is a gateway.
pub(crate) fn router(name: &str, namespace: &str, ip: &str) -> Value {
    proxied(name, namespace, ip, "router")
}

fn proxied(name: &str, namespace: &str, ip: &str, role: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace,
            "labels": {"app": name, "security.istio.io/tlsMode": "istio"}},
        "spec": {"serviceAccountName": name, "containers": [{"name": "istio-proxy", "args": ["proxy", role]}]},
        "status": {"podIP": ip}})
}

/// A pod without a proxy.
pub(crate) fn bare(name: &str, namespace: &str, ip: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"containers": [{"name": "c"}]}, "status": {"podIP": ip}})
}

pub(crate) fn service(name: &str, namespace: &str, ip: &str, ports: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": ip, "selector": {"app": name}, "ports": ports}})
}

#[allow(clippy::needless_pass_by_value, reason = "literals read better")]
pub(crate) fn istio(kind: &str, name: &str, namespace: &str, spec: Value) -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": kind,
        "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

/// The object, created in that second of a day.
pub(crate) fn at(second: u32, mut object: Value) -> Value {
    object["metadata"]["creationTimestamp"] = format!("2026-01-01T00:00:{second:02}Z").into();
    object
}

/// The configuration of `default/client`. Objects that admission would refuse are a mistake of the test.
pub(crate) fn client(objects: Vec<Value>) -> ProxyConfig {
    of("client", "default", objects)
}

pub(crate) fn of(name: &str, namespace: &str, objects: Vec<Value>) -> ProxyConfig {
    with_mesh("", name, namespace, objects)
}

pub(crate) fn with_mesh(
    mesh: &str,
    name: &str,
    namespace: &str,
    objects: Vec<Value>,
) -> ProxyConfig {
    let mesh = Arc::new(MeshConfig::from_yaml(mesh).unwrap());
    for object in &objects {
        assert_eq!(admit(object, &mesh).error, None, "{object}");
    }
    let objects = Objects::new(mesh, objects.into_iter().map(Arc::new));
    let proxy = ProxyId {
        namespace: namespace.into(),
        name: name.into(),
    };
    compile(&objects, &proxy)
}

pub(crate) fn listener<'a>(config: &'a ProxyConfig, name: &str) -> &'a Value {
    named(&config.listeners, name)
}

pub(crate) fn cluster<'a>(config: &'a ProxyConfig, name: &str) -> &'a Value {
    named(&config.clusters, name)
}

fn named<'a>(list: &'a [Arc<Value>], name: &str) -> &'a Value {
    let found = list.iter().find(|v| v["name"] == name);
    found.map_or(&Value::Null, |v| v)
}

/// Addresses of the endpoints that a cluster is told, in order, with what is said of their health.
pub(crate) fn endpoints(config: &ProxyConfig, cluster: &str) -> Vec<(String, String)> {
    let assignment = config
        .endpoints
        .iter()
        .find(|e| e["cluster_name"] == cluster);
    let found = assignment.into_iter().flat_map(|a| hosts(a));
    let pairs = found.map(|h| {
        let health = h["health_status"].as_str().unwrap_or_default();
        (address(h), health.to_owned())
    });
    let mut pairs: Vec<(String, String)> = pairs.collect();
    pairs.sort();
    pairs
}

/// The endpoints of an assignment.
pub(crate) fn hosts(assignment: &Value) -> impl Iterator<Item = &Value> {
    let localities = assignment["endpoints"].as_array().into_iter().flatten();
    localities.flat_map(|l| l["lb_endpoints"].as_array().into_iter().flatten())
}

pub(crate) fn address(host: &Value) -> String {
    let socket = &host["endpoint"]["address"]["socket_address"];
    format!(
        "{}:{}",
        socket["address"].as_str().unwrap(),
        socket["port_value"]
    )
}

/// The `tcp_proxy` of a listener's chain; past the last chain is the default one.
pub(crate) fn tcp_proxy(listener: &Value, chain: usize) -> &Value {
    let found = listener["filter_chains"].get(chain);
    last(found.unwrap_or(&listener["default_filter_chain"]))
}

/// The filter at the end of a chain.
fn last(chain: &Value) -> &Value {
    let filters = chain["filters"].as_array();
    let found = filters.and_then(|f| f.last());
    found.map_or(&Value::Null, |f| &f["typed_config"])
}

/// Where a listener's chains lead, the default one last.
pub(crate) fn destinations(listener: &Value) -> Vec<String> {
    let chains = listener["filter_chains"].as_array().into_iter().flatten();
    chains
        .chain([&listener["default_filter_chain"]])
        .filter_map(|c| last(c)["cluster"].as_str())
        .map(str::to_owned)
        .collect()
}

/// The conflicts, a line each.
pub(crate) fn conflicts(config: &ProxyConfig) -> Vec<String> {
    config.conflicts.iter().map(ToString::to_string).collect()
}
