//! Which pods stand behind a Service. Pure.
//!
//! Follows Kubernetes' EndpointSlice controller: a pod counts when the selector matches and it has
//! an address; it is ready when its `Ready` condition holds and it is not being deleted.

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::{Value, json};

/// One port of a Service with the places that serve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortBackends {
    /// Name of the port, empty when it has none.
    pub name: String,
    /// The Service's port.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// Ready pods' addresses and ports, in the order of the addresses.
    pub ready: Vec<(Ipv4Addr, u16)>,
}

/// A pod behind a Service.
struct Backend<'a> {
    pod: &'a Value,
    ip: Ipv4Addr,
    ready: bool,
}

/// The pods that a Service selects. A Service without a selector has none.
fn backends<'a>(service: &Value, pods: &'a [Arc<Value>]) -> Vec<Backend<'a>> {
    let Some(selector) = service.pointer("/spec/selector").and_then(Value::as_object) else {
        return Vec::new();
    };
    if selector.is_empty() {
        return Vec::new();
    }
    let namespace = &service["metadata"]["namespace"];
    let mut all: Vec<Backend> = pods
        .iter()
        .filter(|p| p["metadata"]["namespace"] == *namespace)
        .filter(|p| {
            selector
                .iter()
                .all(|(k, v)| p.pointer("/metadata/labels").and_then(|l| l.get(k)) == Some(v))
        })
        .filter(|p| {
            !matches!(
                p.pointer("/status/phase").and_then(Value::as_str),
                Some("Succeeded" | "Failed")
            )
        })
        .filter_map(|p| {
            let ip = p.pointer("/status/podIP")?.as_str()?.parse().ok()?;
            Some(Backend {
                pod: p,
                ip,
                ready: is_ready(p),
            })
        })
        .collect();
    all.sort_by_key(|b| b.ip);
    all
}

/// Whether a pod takes traffic.
pub(crate) fn is_ready(pod: &Value) -> bool {
    let condition = pod
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|c| c["type"] == "Ready" && c["status"] == "True");
    condition && pod.pointer("/metadata/deletionTimestamp").is_none()
}

/// The ports of a Service, each with its ready backends.
pub(crate) fn ports(service: &Value, pods: &[Arc<Value>]) -> Vec<PortBackends> {
    let backends = backends(service, pods);
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    ports
        .into_iter()
        .flatten()
        .filter_map(|p| {
            let port = u16::try_from(p["port"].as_u64()?).ok()?;
            Some(PortBackends {
                name: p["name"].as_str().unwrap_or_default().to_owned(),
                port,
                protocol: p["protocol"].as_str().unwrap_or("TCP").to_owned(),
                ready: backends
                    .iter()
                    .filter(|b| b.ready)
                    .filter_map(|b| Some((b.ip, target(p, b.pod, port)?)))
                    .collect(),
            })
        })
        .collect()
}

/// The port on the pod: a number, or the name of a container's port.
fn target(port: &Value, pod: &Value, default: u16) -> Option<u16> {
    match port.get("targetPort") {
        None | Some(Value::Null) => Some(default),
        Some(Value::String(name)) => ["containers", "initContainers"]
            .iter()
            .filter_map(|list| pod.get("spec")?.get(list)?.as_array())
            .flatten()
            .filter_map(|c| c["ports"].as_array())
            .flatten()
            .find(|p| p["name"] == name.as_str())
            .and_then(|p| u16::try_from(p["containerPort"].as_u64()?).ok()),
        Some(number) => number.as_u64().and_then(|n| u16::try_from(n).ok()),
    }
}

/// The EndpointSlice of a Service; `None` for one without a selector, whose slices are made by hand.
pub(crate) fn slice(service: &Value, pods: &[Arc<Value>]) -> Option<Value> {
    service
        .pointer("/spec/selector")
        .and_then(Value::as_object)
        .filter(|s| !s.is_empty())?;
    let name = service.pointer("/metadata/name")?.as_str()?;
    let backends = backends(service, pods);
    let ports: Vec<Value> = service
        .pointer("/spec/ports")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|p| {
            let default = p["port"]
                .as_u64()
                .and_then(|n| u16::try_from(n).ok())
                .unwrap_or_default();
            let on_pod = backends
                .first()
                .and_then(|b| target(p, b.pod, default))
                .unwrap_or(default);
            json!({"name": p["name"].as_str().unwrap_or_default(), "port": on_pod,
                   "protocol": p["protocol"].as_str().unwrap_or("TCP")})
        })
        .collect();
    let endpoints: Vec<Value> = backends.iter().map(endpoint).collect();
    let mut labels = json!({
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": name,
    });
    for (k, v) in service
        .pointer("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        labels[k] = v.clone();
    }
    Some(json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": format!("{name}-{}", suffix(&service["metadata"]["uid"])),
            "namespace": service["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": name,
                "uid": service["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true}],
        },
        "endpoints": endpoints,
        "ports": ports,
    }))
}

fn endpoint(b: &Backend<'_>) -> Value {
    let leaving = b.pod.pointer("/metadata/deletionTimestamp").is_some();
    json!({
        "addresses": [b.ip.to_string()],
        "conditions": {"ready": b.ready, "serving": b.ready || leaving, "terminating": leaving},
        "nodeName": b.pod["spec"]["nodeName"],
        "targetRef": {"kind": "Pod", "name": b.pod["metadata"]["name"],
            "namespace": b.pod["metadata"]["namespace"], "uid": b.pod["metadata"]["uid"]},
    })
}

/// Five characters out of a uid, from the alphabet of generated names.
fn suffix(uid: &Value) -> String {
    super::generated(uid.as_str().unwrap_or_default(), 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, ip: &str, ready: &str) -> Arc<Value> {
        Arc::new(json!({
            "metadata": {"name": name, "namespace": "default", "labels": {"app": "mysql"}},
            "spec": {"containers": [{"name": "m", "ports": [{"name": "db", "containerPort": 3307}]}]},
            "status": {"podIP": ip, "phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}}))
    }

    fn service(target: Value) -> Value {
        json!({"metadata": {"name": "mysql", "namespace": "default", "uid": "u"},
               "spec": {"selector": {"app": "mysql"}, "ports": [{"port": 3306, "targetPort": target}]}})
    }

    #[test]
    fn only_ready_pods_take_traffic() {
        let pods = [pod("b", "10.2.0.9", "False"), pod("a", "10.2.0.8", "True")];
        let found = ports(&service(json!(3306)), &pods);
        assert_eq!(found[0].ready, [(Ipv4Addr::new(10, 2, 0, 8), 3306)]);
        let slice = slice(&service(json!(3306)), &pods).expect("slice");
        assert_eq!(slice["endpoints"].as_array().expect("list").len(), 2);
        assert_eq!(slice["endpoints"][1]["conditions"]["ready"], false);
    }

    #[test]
    fn a_target_port_may_be_a_name() {
        let pods = [pod("a", "10.2.0.8", "True")];
        assert_eq!(
            ports(&service(json!("db")), &pods)[0].ready,
            [(Ipv4Addr::new(10, 2, 0, 8), 3307)]
        );
        assert_eq!(ports(&service(json!("none")), &pods)[0].ready, []);
    }

    #[test]
    fn a_pod_that_is_going_takes_none() {
        let mut going = (*pod("a", "10.2.0.8", "True")).clone();
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(
            ports(&service(json!(3306)), &[Arc::new(going)])[0].ready,
            []
        );
    }

    #[test]
    fn another_namespace_or_label_does_not_match() {
        let mut other = (*pod("a", "10.2.0.8", "True")).clone();
        other["metadata"]["namespace"] = json!("other");
        assert_eq!(
            ports(&service(json!(3306)), &[Arc::new(other)])[0].ready,
            []
        );
        assert!(slice(&json!({"metadata": {"name": "x"}, "spec": {}}), &[]).is_none());
    }
}
