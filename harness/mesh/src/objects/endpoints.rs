//! The endpoints of services: workloads that a selector finds, and those that a `ServiceEntry` lists.

use std::sync::Arc;

use super::{
    locality::{Locality, Nodes},
    pod::{Pod, Presence},
    service::{Port, Registry, Resolution, Service, Target},
    workloads::Workload,
};
use crate::{
    MeshConfig,
    api::{Labels, service_entry::ServiceEntry},
    protocol::Protocol,
};

/// What is known of an endpoint's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Ready,
    /// Told to the proxies, which do not use it.
    Unready,
    /// On its way out: not told to the proxies any more.
    Leaving,
}

/// One endpoint of one port of a service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Endpoint {
    /// The name of the service's port, by which endpoints are told.
    pub(crate) port_name: String,
    /// The number of the service's port, by which a `ServiceEntry`'s endpoints are written into clusters.
    pub(crate) service_port: Option<u32>,
    pub(crate) address: String,
    pub(crate) port: u32,
    pub(crate) namespace: String,
    pub(crate) labels: Labels,
    pub(crate) speaks_mesh_tls: bool,
    /// From 1.
    pub(crate) weight: u32,
    pub(crate) spiffe_id: Option<String>,
    pub(crate) health: Health,
    /// The node that it runs on; empty where unknown.
    pub(crate) node: String,
    pub(crate) locality: Locality,
}

/// The endpoints of a service that are found by its selector: pods, and workloads outside.
pub(crate) fn selected(
    service: &Service,
    pods: &[Arc<Pod>],
    workloads: &[Arc<Workload>],
    nodes: &Nodes,
    mesh: &MeshConfig,
) -> Vec<Endpoint> {
    match service.registry {
        Registry::Kubernetes => of_service(service, pods, workloads, nodes, mesh),
        Registry::External => of_entry(service, pods, workloads, nodes, mesh),
    }
}

fn of_service(
    service: &Service,
    pods: &[Arc<Pod>],
    workloads: &[Arc<Workload>],
    nodes: &Nodes,
    mesh: &MeshConfig,
) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for pod in pods {
        let health = match pod.presence {
            _ if pod.address.is_empty() => continue,
            Presence::Over => continue,
            // Kubernetes calls them ready, also on their way out.
            _ if service.unready_too => Health::Ready,
            Presence::Ready => Health::Ready,
            Presence::Unready => Health::Unready,
            Presence::Leaving => Health::Leaving,
        };
        for port in ports(service) {
            let target = match &port.target {
                Target::Number(number) => Some(*number),
                Target::Name(name) => pod.named_port(name),
            };
            if let Some(target) = target {
                found.push(of_pod(pod, port, target, health, nodes, mesh));
            }
        }
    }
    if service.resolution != Resolution::Known {
        return found;
    }
    for workload in workloads {
        for port in ports(service) {
            if let Some(target) = workload.port_for_kubernetes(port) {
                found.push(workload.endpoint(port, None, target));
            }
        }
    }
    found
}

fn ports(service: &Service) -> impl Iterator<Item = &Port> {
    service.ports.iter().filter(|p| p.protocol != Protocol::Udp)
}

fn of_pod(
    pod: &Pod,
    port: &Port,
    target: u32,
    health: Health,
    nodes: &Nodes,
    mesh: &MeshConfig,
) -> Endpoint {
    let locality = Locality::of_pod(pod, nodes);
    let mut labels = pod.meta.labels.clone();
    locality.add_to(&mut labels);
    if !pod.node.is_empty() {
        labels.insert("kubernetes.io/hostname".into(), pod.node.clone());
    }
    Endpoint {
        port_name: port.name.clone(),
        service_port: None,
        address: pod.address.clone(),
        port: target,
        namespace: pod.meta.namespace.clone(),
        labels,
        speaks_mesh_tls: pod.speaks_mesh_tls,
        weight: 1,
        spiffe_id: Some(pod.spiffe_id(mesh.trust_domain())),
        health,
        node: pod.node.clone(),
        locality,
    }
}

/// The endpoints that a `ServiceEntry` lists; with DNS and none listed, its own host. One with a selector
/// lists none.
pub(super) fn listed(service: &Service, entry: &ServiceEntry, mesh: &MeshConfig) -> Vec<Endpoint> {
    if service.selector.is_some() {
        return Vec::new();
    }
    let listed = entry.endpoints.as_deref().unwrap_or_default();
    if listed.is_empty() && is_looked_up(service) {
        return own_host(service);
    }
    listed
        .iter()
        .map(|e| Workload::of_listed(e, &service.namespace, mesh))
        .flat_map(|w| of_workload(service, &w))
        .collect()
}

fn is_looked_up(service: &Service) -> bool {
    matches!(
        service.resolution,
        Resolution::Dns | Resolution::DnsRoundRobin
    )
}

/// Pods that are ready and workloads outside, of the entry's namespace.
fn of_entry(
    service: &Service,
    pods: &[Arc<Pod>],
    workloads: &[Arc<Workload>],
    nodes: &Nodes,
    mesh: &MeshConfig,
) -> Vec<Endpoint> {
    let ready = |p: &&Arc<Pod>| !p.address.is_empty() && p.presence == Presence::Ready;
    let mut found = Vec::new();
    for pod in pods.iter().filter(ready) {
        for port in &service.ports {
            let target = number(port);
            let mut endpoint = of_pod(pod, port, target, Health::Ready, nodes, mesh);
            endpoint.service_port = Some(port.number);
            found.push(endpoint);
        }
    }
    let by_name = is_looked_up(service);
    for workload in workloads.iter().filter(|w| by_name || w.has_ip()) {
        found.extend(of_workload(service, workload));
    }
    found
}

fn of_workload(service: &Service, workload: &Workload) -> Vec<Endpoint> {
    service
        .ports
        .iter()
        .map(|port| {
            let target = workload.port(&port.name).unwrap_or_else(|| number(port));
            workload.endpoint(port, Some(port.number), target)
        })
        .collect()
}

fn own_host(service: &Service) -> Vec<Endpoint> {
    let endpoint = |port: &Port| Endpoint {
        port_name: port.name.clone(),
        service_port: Some(port.number),
        address: service.host.clone(),
        port: number(port),
        namespace: service.namespace.clone(),
        labels: Labels::new(),
        speaks_mesh_tls: false,
        weight: 1,
        spiffe_id: None,
        health: Health::Ready,
        node: String::new(),
        locality: Locality::default(),
    };
    service.ports.iter().map(endpoint).collect()
}

fn number(port: &Port) -> u32 {
    match port.target {
        Target::Number(number) => number,
        Target::Name(_) => port.number,
    }
}
