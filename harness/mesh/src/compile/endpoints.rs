//! Endpoints, as told over EDS and as written into DNS clusters.

use serde_json::{Map, Value, json};

use super::{envoy::socket_address, scope::View, traffic_policy};
use crate::{
    api::{Labels, destination_rule::ClientTlsMode, peer_authentication::Mode},
    objects::{
        rules::MergedRule,
        service::{Endpoint, Service},
    },
};

/// A port of a service, perhaps of a subset.
pub(crate) struct Target<'a> {
    pub(crate) service: &'a Service,
    pub(crate) port: u32,
    /// Empty for the whole service.
    pub(crate) subset: &'a str,
    pub(crate) labels: &'a Labels,
    pub(crate) rule: Option<&'a MergedRule>,
}

/// The `ClusterLoadAssignment` of a cluster that is told its endpoints.
pub(crate) fn assignment(cluster: &str, target: &Target<'_>, scope: &View<'_>) -> Value {
    let said = target
        .rule
        .and_then(|r| traffic_policy::tls_mode(&r.spec, target.subset, target.port));
    let found: Vec<&Endpoint> = target
        .service
        .endpoints_of(target.port, target.labels)
        .collect();
    let endpoints: Vec<Value> = found
        .iter()
        .map(|endpoint| {
            let mut value = lb_endpoint(endpoint);
            value.insert("health_status".into(), "HEALTHY".into());
            if speaks_mesh_tls(endpoint, said, scope) {
                let metadata = json!({"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}});
                value.insert("metadata".into(), metadata);
            }
            Value::Object(value)
        })
        .collect();
    let mut assignment = Map::new();
    assignment.insert("cluster_name".into(), cluster.into());
    if !endpoints.is_empty() {
        assignment.insert("endpoints".into(), json!([locality(&endpoints, &found)]));
    }
    assignment.into()
}

/// The endpoints of a DNS cluster, within it; `None` where there are none, and then no cluster either.
pub(crate) fn inline(cluster: &str, target: &Target<'_>) -> Option<Value> {
    let found: Vec<&Endpoint> = target
        .service
        .endpoints_of(target.port, target.labels)
        .collect();
    if found.is_empty() {
        return None;
    }
    let endpoints: Vec<Value> = found
        .iter()
        .map(|e| Value::Object(lb_endpoint(e)))
        .collect();
    Some(json!({"cluster_name": cluster, "endpoints": [locality(&endpoints, &found)]}))
}

fn locality(endpoints: &[Value], found: &[&Endpoint]) -> Value {
    let weight: u32 = found.iter().fold(0, |sum, e| sum.saturating_add(e.weight));
    json!({"lb_endpoints": endpoints, "load_balancing_weight": weight, "locality": {}})
}

fn lb_endpoint(endpoint: &Endpoint) -> Map<String, Value> {
    let mut value = Map::new();
    value.insert(
        "endpoint".into(),
        json!({"address": socket_address(&endpoint.address, endpoint.port)}),
    );
    value.insert("load_balancing_weight".into(), endpoint.weight.into());
    value
}

/// Whether mesh TLS is spoken with an endpoint: as a rule says, else as the endpoint's own policy does.
/// An endpoint without a sidecar never speaks it.
fn speaks_mesh_tls(endpoint: &Endpoint, said: Option<ClientTlsMode>, scope: &View<'_>) -> bool {
    if !endpoint.speaks_mesh_tls {
        return false;
    }
    if let Some(mode) = said {
        return mode == ClientTlsMode::IstioMutual;
    }
    scope.mode_of(endpoint) != Mode::Disable
}
