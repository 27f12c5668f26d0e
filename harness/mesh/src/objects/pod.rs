//! Pods, as far as the mesh looks at them.

use serde_json::Value;

use super::{
    Meta, ProxyId,
    mounts::{self, Mount},
};
use crate::api::Labels;

/// What a proxy in a pod is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyKind {
    /// Beside an application.
    Sidecar,
    /// Alone, as an ingress or egress gateway.
    Router,
}

/// Whether a pod is there for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Ready,
    Unready,
    /// Being deleted.
    Leaving,
    /// Has ended.
    Over,
}

/// A pod, as far as the mesh looks at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    pub(crate) meta: Meta,
    /// Empty before the pod has one.
    pub(crate) address: String,
    pub(crate) service_account: String,
    pub(crate) proxy: Option<ProxyKind>,
    pub(crate) presence: Presence,
    /// The node that it runs on; empty before it has one.
    pub(crate) node: String,
    /// The label `security.istio.io/tlsMode`, which injection sets, says that mesh TLS is spoken.
    pub(crate) speaks_mesh_tls: bool,
    named_ports: Vec<NamedPort>,
    /// Files of the proxy's container that come from Secrets.
    pub(crate) mounts: Vec<Mount>,
}

#[derive(Clone, Debug, PartialEq)]
struct NamedPort {
    name: String,
    is_udp: bool,
    number: u32,
}

const TLS_MODE_LABEL: &str = "security.istio.io/tlsMode";

impl Pod {
    /// Namespace and name.
    pub fn id(&self) -> ProxyId {
        ProxyId {
            namespace: self.meta.namespace.clone(),
            name: self.meta.name.clone(),
        }
    }

    /// Its labels.
    pub fn labels(&self) -> &Labels {
        &self.meta.labels
    }

    /// Its annotations.
    pub fn annotations(&self) -> &Labels {
        &self.meta.annotations
    }

    /// Its address; empty before it has one.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What its proxy is for; `None` without a proxy.
    pub fn proxy(&self) -> Option<ProxyKind> {
        self.proxy
    }

    /// Whether Services send traffic to it.
    pub fn is_ready(&self) -> bool {
        self.presence == Presence::Ready
    }

    pub(crate) fn of(object: &Value) -> Self {
        let meta = Meta::of(object);
        let (spec, status) = (&object["spec"], &object["status"]);
        let speaks_mesh_tls = meta
            .labels
            .get(TLS_MODE_LABEL)
            .is_some_and(|m| m == "istio");
        Self {
            address: status["podIP"].as_str().unwrap_or_default().to_owned(),
            service_account: spec["serviceAccountName"]
                .as_str()
                .unwrap_or("default")
                .to_owned(),
            proxy: proxy_kind(spec),
            presence: presence(object),
            node: spec["nodeName"].as_str().unwrap_or_default().to_owned(),
            speaks_mesh_tls,
            named_ports: named_ports(spec),
            mounts: mounts::of(spec),
            meta,
        }
    }

    /// The pod's identity in a trust domain.
    pub fn spiffe_id(&self, trust_domain: &str) -> String {
        format!(
            "spiffe://{trust_domain}/ns/{}/sa/{}",
            self.meta.namespace, self.service_account
        )
    }

    /// The number of a container port of TCP by name.
    pub fn named_port(&self, name: &str) -> Option<u32> {
        self.named_port_of(name, false)
    }

    /// The number of a container port by name; a port of the other transport is not meant.
    pub(crate) fn named_port_of(&self, name: &str, is_udp: bool) -> Option<u32> {
        let meant = |p: &&NamedPort| p.name == name && p.is_udp == is_udp;
        self.named_ports.iter().find(meant).map(|p| p.number)
    }
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"]
        .into_iter()
        .flat_map(|list| spec[list].as_array().into_iter().flatten())
}

fn proxy_kind(spec: &Value) -> Option<ProxyKind> {
    let proxy = containers(spec).find(|c| c["name"] == "istio-proxy")?;
    let args = proxy["args"].as_array();
    let router = args.is_some_and(|a| a.iter().any(|v| v == "router"));
    Some(if router {
        ProxyKind::Router
    } else {
        ProxyKind::Sidecar
    })
}

/// Ready as far as its conditions say anything.
fn presence(object: &Value) -> Presence {
    let status = &object["status"];
    let condition = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|c| c["type"] == "Ready");
    if matches!(status["phase"].as_str(), Some("Succeeded" | "Failed")) {
        Presence::Over
    } else if !object["metadata"]["deletionTimestamp"].is_null() {
        Presence::Leaving
    } else if condition.is_none_or(|c| c["status"] == "True") {
        Presence::Ready
    } else {
        Presence::Unready
    }
}

/// Ports with names, of the containers that run with the pod: those beside each other first, then native
/// sidecars (`pilot/pkg/serviceregistry/kube/controller/util.go`).
fn named_ports(spec: &Value) -> Vec<NamedPort> {
    let of = |list: &str| spec[list].as_array().map_or(&[][..], Vec::as_slice).iter();
    let native = of("initContainers").filter(|c| c["restartPolicy"] == "Always");
    of("containers")
        .chain(native)
        .flat_map(|c| c["ports"].as_array().into_iter().flatten())
        .filter_map(|p| {
            Some(NamedPort {
                name: p["name"].as_str()?.to_owned(),
                is_udp: p["protocol"] == "UDP",
                number: u32::try_from(p["containerPort"].as_u64()?).ok()?,
            })
        })
        .collect()
}
