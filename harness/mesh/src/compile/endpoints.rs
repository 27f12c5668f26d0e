//! Endpoints, as told over EDS and as written into DNS clusters.

mod spread;

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{envoy::socket_address, scope::View, traffic_policy};
use crate::{
    api::{
        Labels,
        destination_rule::{ClientTlsMode, LocalityLb},
        peer_authentication::Mode,
    },
    objects::{
        endpoints::{Endpoint, Health},
        rules::MergedRule,
        service::{Port, Service},
    },
};
use spread::Group;

/// A port of a service, perhaps of a subset.
pub(crate) struct Told<'a> {
    pub(crate) service: &'a Service,
    pub(crate) port: &'a Port,
    /// Empty for the whole service.
    pub(crate) subset: &'a str,
    pub(crate) labels: &'a Labels,
    pub(crate) rule: Option<&'a MergedRule>,
    /// What rule or mesh say of places.
    pub(crate) spread: &'a LocalityLb,
    /// Whether a rule watches for failures, so that endpoints of other places come after the nearest.
    pub(crate) sees_failures: bool,
    /// Unready endpoints are told, and not used, unless a rule sets a share of healthy ones below which
    /// all would be used (`supportsUnhealthyEndpoints`).
    pub(crate) unready_too: bool,
}

impl<'a> Told<'a> {
    /// By place and priority, each as Envoy takes it.
    fn groups(
        &self,
        found: Vec<&'a Endpoint>,
        scope: &View<'_>,
        host: impl Fn(&Endpoint) -> Value,
    ) -> Vec<Value> {
        let client = scope.client();
        let groups = spread::by_place(found);
        let spread = spread::spread(groups, self.spread, &client, self.sees_failures);
        spread.iter().map(|g| group(g, &host)).collect()
    }

    /// An endpoint as Envoy takes it, with a mark where mesh TLS is spoken with it.
    fn host(&self, endpoint: &Endpoint, scope: &View<'_>) -> Map<String, Value> {
        let mut value = lb_endpoint(endpoint);
        let rule = self.rule.map(|r| &r.spec);
        let said = rule.and_then(|r| traffic_policy::tls_mode(r, self.subset, self.port.number));
        if speaks_mesh_tls(endpoint, said, scope) {
            let metadata =
                json!({"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}});
            value.insert("metadata".into(), metadata);
        }
        value
    }

    fn includes(&self, endpoint: &Endpoint, scope: &View<'_>) -> bool {
        let healthy = match endpoint.health {
            Health::Ready => true,
            Health::Unready => self.unready_too,
            Health::Leaving => false,
        };
        healthy && (!self.service.node_local || endpoint.node == scope.client().node)
    }
}

/// The `ClusterLoadAssignment` of a cluster that is told its endpoints
/// (`pilot/pkg/xds/endpoints/endpoint_builder.go`).
pub(crate) fn assignment(cluster: &str, told: &Told<'_>, scope: &View<'_>) -> Value {
    let pool = &told.service.pool;
    let found: Vec<&Endpoint> = pool
        .told(told.port, told.labels)
        .filter(|e| e.address.parse::<IpAddr>().is_ok())
        .filter(|e| told.includes(e, scope))
        .collect();
    let endpoints = told.groups(found, scope, |endpoint| {
        let mut value = told.host(endpoint, scope);
        let health = match endpoint.health {
            Health::Ready => "HEALTHY",
            Health::Unready | Health::Leaving => "UNHEALTHY",
        };
        value.insert("health_status".into(), health.into());
        value.into()
    });
    let mut assignment = Map::new();
    assignment.insert("cluster_name".into(), cluster.into());
    if !endpoints.is_empty() {
        assignment.insert("endpoints".into(), endpoints.into());
    }
    assignment.into()
}

/// The endpoints of a DNS cluster, within it; `None` where there are none, and then no cluster either.
pub(crate) fn inline(cluster: &str, told: &Told<'_>, scope: &View<'_>) -> Option<Value> {
    let pool = &told.service.pool;
    let found: Vec<&Endpoint> = pool
        .written(told.port, told.labels)
        .filter(|e| told.includes(e, scope))
        .collect();
    if found.is_empty() {
        return None;
    }
    let endpoints = told.groups(found, scope, |e| told.host(e, scope).into());
    Some(json!({"cluster_name": cluster, "endpoints": endpoints}))
}

fn group(group: &Group<'_>, host: impl Fn(&Endpoint) -> Value) -> Value {
    let hosts: Vec<Value> = group.endpoints.iter().map(|e| host(e)).collect();
    let mut out = json!({"lb_endpoints": hosts, "load_balancing_weight": group.weight,
        "locality": group.locality.to_envoy()});
    if group.priority > 0 {
        out["priority"] = group.priority.into();
    }
    out
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
