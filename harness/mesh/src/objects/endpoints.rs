//! The endpoints of services: pods that a selector finds, and those that a `ServiceEntry` lists.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    pod::Pod,
    service::{Endpoint, Resolution, Service, Target},
};
use crate::{
    MeshConfig,
    api::service_entry::{ServiceEntry, WorkloadEntry},
    protocol::Protocol,
};

/// The pods that a service selects, for each of its ports.
pub(crate) fn of_pods(service: &Service, pods: &[Arc<Pod>], mesh: &MeshConfig) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for pod in pods {
        if pod.address.is_empty() || !(pod.ready || service.unready_too) {
            continue;
        }
        for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
            let target = match &port.target {
                Target::Number(number) => Some(*number),
                Target::Name(name) => pod.named_port(name),
            };
            if let Some(target) = target {
                found.push(of_pod(pod, port.number, target, mesh));
            }
        }
    }
    found
}

fn of_pod(pod: &Pod, service_port: u32, port: u32, mesh: &MeshConfig) -> Endpoint {
    Endpoint {
        service_port,
        address: pod.address.clone(),
        port,
        namespace: pod.meta.namespace.clone(),
        labels: pod.meta.labels.clone(),
        speaks_mesh_tls: pod.speaks_mesh_tls,
        weight: 1,
        spiffe_id: Some(pod.spiffe_id(mesh.trust_domain())),
    }
}

/// The endpoints that a `ServiceEntry` lists; with DNS and none listed, its own host. One with a selector
/// lists none.
pub(crate) fn of_entry(
    service: &Service,
    entry: &ServiceEntry,
    mesh: &MeshConfig,
) -> Vec<Endpoint> {
    if service.selector.is_some() {
        return Vec::new();
    }
    let listed = entry.endpoints.as_deref().unwrap_or_default();
    let by_name = matches!(
        service.resolution,
        Resolution::Dns | Resolution::DnsRoundRobin
    );
    if listed.is_empty() && by_name {
        return own_host(service);
    }
    listed
        .iter()
        .flat_map(|e| listed_endpoint(service, e, mesh))
        .collect()
}

fn own_host(service: &Service) -> Vec<Endpoint> {
    let endpoint = |port: &super::service::Port| Endpoint {
        service_port: port.number,
        address: service.host.clone(),
        port: number(&port.target, port.number),
        namespace: service.namespace.clone(),
        labels: BTreeMap::new(),
        speaks_mesh_tls: false,
        weight: 1,
        spiffe_id: None,
    };
    service.ports.iter().map(endpoint).collect()
}

fn listed_endpoint(service: &Service, entry: &WorkloadEntry, mesh: &MeshConfig) -> Vec<Endpoint> {
    let account = Some(entry.service_account.as_str()).filter(|a| !a.is_empty());
    let label = entry
        .labels
        .get("security.istio.io/tlsMode")
        .map(String::as_str);
    service
        .ports
        .iter()
        .map(|port| Endpoint {
            service_port: port.number,
            address: entry.address.clone(),
            port: entry
                .ports
                .get(&port.name)
                .and_then(|n| u32::try_from(*n).ok())
                .unwrap_or_else(|| number(&port.target, port.number)),
            namespace: service.namespace.clone(),
            labels: entry.labels.clone(),
            speaks_mesh_tls: label.map_or(account.is_some(), |l| l == "istio"),
            weight: u32::try_from(entry.weight)
                .ok()
                .filter(|w| *w > 0)
                .unwrap_or(1),
            spiffe_id: account.map(|a| {
                format!(
                    "spiffe://{}/ns/{}/sa/{a}",
                    mesh.trust_domain(),
                    service.namespace
                )
            }),
        })
        .collect()
}

fn number(target: &Target, fallback: u32) -> u32 {
    match target {
        Target::Number(number) => *number,
        Target::Name(_) => fallback,
    }
}
