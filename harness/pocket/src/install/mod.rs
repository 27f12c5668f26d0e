//! What is in a cluster before anybody applies anything: namespaces, service accounts, the mesh
//! configuration and the gateways, in the shape that Istio's `demo` profile gives them.
//!
//! The JSON files beside this one are recordings of Istio 1.32 on Kubernetes 1.36, without what
//! an API server adds. As there, the egress Service has no port 15443 and the ingress Service no
//! port 13306: whoever needs them adds them.

use serde_json::{Value, json};

use crate::addresses::{AddressPlan, ClusterName};

const GATEWAY_DEPLOYMENT: &str = include_str!("gateway-deployment.json");
const EGRESS_SERVICE: &str = include_str!("egress-service.json");
const INGRESS_SERVICE: &str = include_str!("ingress-service.json");

/// Istio's own namespace.
pub const ISTIO_SYSTEM: &str = "istio-system";
/// The ConfigMap with the mesh configuration, in [`ISTIO_SYSTEM`], key `mesh`.
pub const MESH_CONFIG_MAP: &str = "istio";
/// The ConfigMap that says how far the proxies have followed the store.
pub const MESH_STATUS: &str = "meshproof-mesh-status";
/// The namespace of the router pod.
pub const SYSTEM_NAMESPACE: &str = "kube-system";
/// The pod to look into for what the network counted.
pub const ROUTER_POD: &str = "router";
/// The one node.
pub const NODE_NAME: &str = "pocket";

/// The mesh configuration of a fresh cluster: access logs on standard output, as in the `demo`
/// profile.
pub const DEFAULT_MESH_CONFIG: &str = "accessLogFile: /dev/stdout\n";

/// All objects of a fresh cluster, in the order in which they are to be created.
pub fn objects(cluster: ClusterName, mesh_config: &str) -> Vec<Value> {
    let mut all = vec![node(cluster)];
    for name in ["default", "kube-system", "kube-public", ISTIO_SYSTEM] {
        all.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    }
    all.push(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": MESH_CONFIG_MAP, "namespace": ISTIO_SYSTEM},
        "data": {"mesh": mesh_config, "meshNetworks": "networks: {}"},
    }));
    all.push(dns_service(cluster));
    all.push(router_pod());
    all.extend(gateway(cluster));
    all
}

fn node(cluster: ClusterName) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": NODE_NAME, "labels": {"kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": "linux"}},
        "spec": {},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": AddressPlan::router(cluster).to_string()},
                {"type": "Hostname", "address": NODE_NAME},
            ],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "the node runs pods as local processes"}],
        },
    })
}

fn dns_service(cluster: ClusterName) -> Value {
    let ip = AddressPlan::dns(cluster).to_string();
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": SYSTEM_NAMESPACE, "labels": {"k8s-app": "kube-dns"}},
        "spec": {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
        ]},
    })
}

fn router_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": ROUTER_POD, "namespace": SYSTEM_NAMESPACE, "labels": {"app": ROUTER_POD},
            "annotations": {"sidecar.istio.io/inject": "false"}},
        "spec": {"hostNetwork": true, "containers": [{"name": ROUTER_POD, "image": crate::images::ROUTER_IMAGE}]},
    })
}

fn gateway(cluster: ClusterName) -> [Value; 3] {
    let (deployment, service) = match cluster {
        ClusterName::Client => (GATEWAY_DEPLOYMENT.to_owned(), EGRESS_SERVICE),
        ClusterName::Server => (
            GATEWAY_DEPLOYMENT
                .replace("egress", "ingress")
                .replace("Egress", "Ingress"),
            INGRESS_SERVICE,
        ),
    };
    let deployment = recorded(&deployment);
    let account = deployment
        .pointer("/spec/template/spec/serviceAccountName")
        .cloned()
        .unwrap_or_default();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": account, "namespace": ISTIO_SYSTEM}});
    [account, deployment, recorded(service)]
}

/// Parses one of the recordings, which are part of the program.
pub(crate) fn recorded(text: &str) -> Value {
    serde_json::from_str(text).expect("the recordings beside this file are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(all: &[Value], kind: &str, name: &str) -> Value {
        all.iter()
            .find(|o| o["kind"] == kind && o["metadata"]["name"] == name)
            .unwrap_or_else(|| panic!("{kind} {name}"))
            .clone()
    }

    #[test]
    fn each_cluster_has_its_own_gateway() {
        let client = objects(ClusterName::Client, DEFAULT_MESH_CONFIG);
        let server = objects(ClusterName::Server, DEFAULT_MESH_CONFIG);
        let egress = find(&client, "Deployment", "istio-egressgateway");
        let ingress = find(&server, "Deployment", "istio-ingressgateway");
        assert_eq!(
            egress["spec"]["template"]["metadata"]["labels"]["istio"],
            "egressgateway"
        );
        assert_eq!(
            ingress["spec"]["template"]["metadata"]["labels"]["istio"],
            "ingressgateway"
        );
        find(
            &server,
            "ServiceAccount",
            "istio-ingressgateway-service-account",
        );
        assert_eq!(
            find(&server, "Service", "istio-ingressgateway")["spec"]["type"],
            "LoadBalancer"
        );
    }

    #[test]
    fn the_tutorials_ports_are_not_there_by_themselves() {
        for (cluster, service, port) in [
            (ClusterName::Client, "istio-egressgateway", 15443),
            (ClusterName::Server, "istio-ingressgateway", 13306),
        ] {
            let service = find(&objects(cluster, DEFAULT_MESH_CONFIG), "Service", service);
            let ports = service["spec"]["ports"].as_array().expect("ports").clone();
            assert!(ports.iter().all(|p| p["port"] != port), "{ports:?}");
            assert!(ports.iter().any(|p| p["port"] == 443));
        }
    }
}
