//! Where routes lead.

use super::scope::View;
use crate::{
    api::virtual_service::{Destination, Match},
    objects::service::Service,
};

/// The name of a cluster for connections to a service's port.
pub(crate) fn outbound_cluster(subset: &str, host: &str, port: u32) -> String {
    format!("outbound|{port}|{subset}|{host}")
}

/// The SNI by which a server sidecar's log shows a cluster.
pub(crate) fn generated_sni(subset: &str, host: &str, port: u32) -> String {
    format!("outbound_.{port}_.{subset}_.{host}")
}

/// The cluster of a route's destination; without a port, that of the service's only port, else the
/// listener's.
pub(crate) fn destination_cluster(
    destination: &Destination,
    service: Option<&Service>,
    listener_port: u32,
) -> String {
    let said = destination
        .port
        .as_ref()
        .and_then(|p| u32::try_from(p.number).ok());
    let only = service
        .filter(|s| s.ports.len() == 1)
        .map(|s| s.ports[0].number);
    let host = service
        .and_then(|s| s.external_name.as_deref())
        .unwrap_or(&destination.host);
    outbound_cluster(
        &destination.subset,
        host,
        said.or(only).unwrap_or(listener_port),
    )
}

/// Whether a sidecar's connection to a port meets the conditions that are known beforehand.
pub(crate) fn matches_sidecar(condition: &Match, scope: &View<'_>, port: u32) -> bool {
    let gateway = condition.gateways.is_empty() || condition.gateways.iter().any(|g| g == "mesh");
    let labels = scope.is_selected(&condition.source_labels);
    let port = condition.port == 0 || condition.port == i64::from(port);
    let namespace =
        condition.source_namespace.is_empty() || scope.is_in(&condition.source_namespace);
    gateway && labels && port && namespace
}

/// Whether a gateway's server meets a condition: by port and gateway, nothing else.
pub(crate) fn matches_gateway(condition: &Match, gateway: &str, port: i64) -> bool {
    let port = condition.port == 0 || condition.port == port;
    port && (condition.gateways.is_empty() || condition.gateways.iter().any(|g| g == gateway))
}
