//! One cluster: its pods and Services, and what its proxies are told.

use std::{cell::OnceCell, collections::BTreeMap, net::IpAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use meshproof_mesh::{MeshConfig, Objects, Pod, ProxyConfig, ProxyId, compile};
use serde_json::Value;

use crate::kube::Service;

/// A cluster to follow connections through.
pub struct Cluster {
    pub(crate) name: String,
    pub(crate) services: Vec<Service>,
    objects: Objects,
    compiled: BTreeMap<ProxyId, OnceCell<ProxyConfig>>,
    /// `spec.hostAliases` of pods that have some.
    aliases: BTreeMap<ProxyId, Vec<(IpAddr, String)>>,
    /// The certificates of the mesh's root, where the objects tell them.
    pub(crate) mesh_root: Option<Vec<u8>>,
}

impl Cluster {
    /// A cluster of these objects, as an API server stores them.
    pub fn new(name: &str, mesh: MeshConfig, objects: Vec<Arc<Value>>) -> Self {
        let is = |o: &&Arc<Value>, kind: &str| o["apiVersion"] == "v1" && o["kind"] == kind;
        let services = objects.iter().filter(|o| is(o, "Service"));
        let pods = objects.iter().filter(|o| is(o, "Pod"));
        let services = services.map(|o| Service::of(o)).collect();
        let aliases = pods.filter_map(|o| host_aliases(o)).collect();
        let mesh_root = objects.iter().find_map(|o| mesh_root(o));
        let objects = Objects::new(Arc::new(mesh), objects);
        let proxies = objects.proxies().into_iter();
        Self {
            name: name.to_owned(),
            services,
            compiled: proxies.map(|id| (id, OnceCell::new())).collect(),
            objects,
            aliases,
            mesh_root,
        }
    }

    pub(crate) fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.objects.pods()
    }

    pub(crate) fn pod_at(&self, address: IpAddr) -> Option<&Pod> {
        self.pods()
            .find(|p| p.address().parse::<IpAddr>() == Ok(address))
    }

    /// What the proxy of a pod is told, compiled when it is first asked for.
    pub(crate) fn config(&self, pod: &Pod) -> Option<&ProxyConfig> {
        let id = pod.id();
        let cell = self.compiled.get(&id)?;
        Some(cell.get_or_init(|| compile(&self.objects, &id)))
    }

    /// Addresses that the pod's own hosts file gives a name.
    pub(crate) fn aliases(&self, pod: &Pod, name: &str) -> Vec<IpAddr> {
        let all = self.aliases.get(&pod.id()).into_iter().flatten();
        all.filter(|(_, alias)| alias.eq_ignore_ascii_case(name))
            .map(|(address, _)| *address)
            .collect()
    }

    /// `cluster:namespace/name`.
    pub(crate) fn place(&self, pod: &Pod) -> String {
        format!("{}:{}", self.name, pod.id())
    }
}

fn id(object: &Value) -> ProxyId {
    let text = |field: &str| {
        object["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    ProxyId {
        namespace: text("namespace"),
        name: text("name"),
    }
}

fn host_aliases(pod: &Value) -> Option<(ProxyId, Vec<(IpAddr, String)>)> {
    let mut found = Vec::new();
    for alias in pod["spec"]["hostAliases"].as_array()? {
        let Some(address) = alias["ip"].as_str().and_then(|ip| ip.parse().ok()) else {
            continue;
        };
        let names = alias["hostnames"].as_array().into_iter().flatten();
        found.extend(names.filter_map(|n| Some((address, n.as_str()?.to_owned()))));
    }
    Some((id(pod), found))
}

/// The mesh's root certificates, where istiod leaves them: the ConfigMap `istio-ca-root-cert` of every
/// namespace, or the Secret `cacerts` that an operator gave (`pilot/pkg/bootstrap/istio_ca.go`).
fn mesh_root(object: &Value) -> Option<Vec<u8>> {
    let data = &object["data"]["root-cert.pem"];
    match (
        object["kind"].as_str()?,
        object["metadata"]["name"].as_str()?,
    ) {
        ("ConfigMap", "istio-ca-root-cert") => Some(data.as_str()?.as_bytes().to_vec()),
        ("Secret", "cacerts") => STANDARD.decode(data.as_str()?).ok(),
        _ => None,
    }
}
