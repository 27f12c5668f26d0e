//! Workloads outside the cluster, which a `WorkloadEntry` or a `ServiceEntry` describes.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    Config,
    endpoints::{Endpoint, Health},
    locality::Locality,
    service::{Port, Service, Target},
};
use crate::{
    MeshConfig,
    api::{Labels, service_entry::WorkloadEntry},
};

/// A workload outside the cluster.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Workload {
    namespace: String,
    address: String,
    ports: BTreeMap<String, i64>,
    labels: Labels,
    weight: u32,
    spiffe_id: Option<String>,
    speaks_mesh_tls: bool,
    locality: Locality,
}

impl Workload {
    /// A `WorkloadEntry`; its labels are its own and those of the object, which win.
    pub(super) fn of(entry: &Config<WorkloadEntry>, mesh: &MeshConfig) -> Self {
        let mut labels = entry.spec.labels.clone();
        labels.extend(entry.meta.labels.clone());
        let spec = WorkloadEntry {
            labels,
            ..entry.spec.clone()
        };
        Self::of_listed(&spec, &entry.meta.namespace, mesh)
    }

    /// An endpoint of a `ServiceEntry`. It speaks mesh TLS where a label says so, else where it has an
    /// account (`getTLSModeFromWorkloadEntry`).
    pub(crate) fn of_listed(entry: &WorkloadEntry, namespace: &str, mesh: &MeshConfig) -> Self {
        let account = Some(entry.service_account.as_str()).filter(|a| !a.is_empty());
        let identity = |a: &str| format!("spiffe://{}/ns/{namespace}/sa/{a}", mesh.trust_domain());
        let label = entry.labels.get("security.istio.io/tlsMode");
        let locality = match entry.locality.as_str() {
            "" => Locality::of_labels(&entry.labels).unwrap_or_default(),
            said => Locality::parse(said),
        };
        let mut labels = entry.labels.clone();
        locality.add_to(&mut labels);
        Self {
            namespace: namespace.to_owned(),
            address: entry.address.clone(),
            ports: entry.ports.clone(),
            labels,
            weight: u32::try_from(entry.weight)
                .ok()
                .filter(|w| *w > 0)
                .unwrap_or(1),
            spiffe_id: account.map(identity),
            speaks_mesh_tls: label.map_or(account.is_some(), |l| l == "istio"),
            locality,
        }
    }

    /// Whether a service's selector finds it.
    pub(super) fn is_selected_by(&self, service: &Service) -> bool {
        self.namespace == service.namespace && service.selects_labels(&self.labels)
    }

    /// Whether it is known by an address, not by a name.
    pub(crate) fn has_ip(&self) -> bool {
        self.address.parse::<IpAddr>().is_ok()
    }

    /// The number that it gives a port by name.
    pub(crate) fn port(&self, name: &str) -> Option<u32> {
        let number = u32::try_from(*self.ports.get(name)?).ok()?;
        Some(number).filter(|n| *n > 0)
    }

    /// The number behind a port of a Service of Kubernetes, which takes no workload known by a name
    /// (`serviceInstanceFromWorkloadInstance` in `pilot/pkg/serviceregistry/kube/controller`).
    pub(crate) fn port_for_kubernetes(&self, port: &Port) -> Option<u32> {
        if !self.has_ip() {
            return None;
        }
        match &port.target {
            Target::Name(name) => self.port(name),
            Target::Number(number) => Some(self.port(&port.name).unwrap_or(*number)),
        }
    }

    pub(crate) fn endpoint(&self, port: &Port, service_port: Option<u32>, target: u32) -> Endpoint {
        Endpoint {
            port_name: port.name.clone(),
            service_port,
            address: self.address.clone(),
            port: target,
            namespace: self.namespace.clone(),
            labels: self.labels.clone(),
            speaks_mesh_tls: self.speaks_mesh_tls,
            weight: self.weight,
            spiffe_id: self.spiffe_id.clone(),
            health: Health::Ready,
            node: String::new(),
            locality: self.locality.clone(),
        }
    }
}
