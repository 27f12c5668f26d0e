//! The clusters behind what a sidecar accepts: of the workload's services, or of its `Sidecar`
//! (`buildInboundClusters` in `pilot/pkg/networking/core/cluster.go`).

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use serde_json::{Map, Value, json};

use super::{Discovery, basics, finish_discovery, http, http_options, limits};
use crate::{
    api::{
        destination_rule::{ConnectionPool, H2Upgrade, HttpPool},
        sidecar::Ingress,
    },
    compile::{
        envoy,
        scope::{OwnPort, Scope, View},
        traffic_policy,
    },
    objects::{Same, service::Service},
    protocol::Protocol,
};

const LOCALHOST: &str = "127.0.0.1";
const LOCALHOST_V6: &str = "::1";

/// What is accepted at a port of the pod.
struct Accepted {
    /// Of the pod.
    port: u32,
    /// Whose rule counts, and the port's number as the rule has it.
    service: Option<Same<Service>>,
    number: u32,
    protocol: Protocol,
    /// Where connections are passed on to; `None` for the address that they came for.
    endpoint: Option<(String, u32)>,
    /// Of a `Sidecar`, over a rule's.
    pool: Option<ConnectionPool>,
}

/// The clusters, by port.
pub(crate) fn inbound(scope: &Scope<'_>) -> Vec<Value> {
    let said = scope.ingress();
    let accepted = if said.is_empty() {
        of_services(scope)
    } else {
        said.iter().map(|i| of_ingress(i, scope)).collect()
    };
    accepted.iter().map(|a| cluster(a, scope)).collect()
}

/// The oldest of several services on a port says the settings.
fn of_services(scope: &Scope<'_>) -> Vec<Accepted> {
    let mut by_port: BTreeMap<u32, OwnPort> = BTreeMap::new();
    for own in scope.own_ports() {
        by_port.entry(own.target).or_insert(own);
    }
    let to_localhost = scope.mesh().inbound_to_localhost();
    by_port
        .into_iter()
        .map(|(port, own)| Accepted {
            port,
            number: own.port.number,
            protocol: own.port.protocol,
            service: Some(own.service),
            endpoint: to_localhost.then(|| (LOCALHOST.to_owned(), port)),
            pool: scope.inbound_pool(),
        })
        .collect()
}

fn of_ingress(ingress: &Ingress, scope: &Scope<'_>) -> Accepted {
    let port = ingress.number();
    let own = scope.own_ports().into_iter().find(|own| own.target == port);
    Accepted {
        port,
        service: own.map(|own| own.service),
        number: port,
        protocol: ingress.protocol(),
        endpoint: endpoint(&ingress.default_endpoint, &scope.address()),
        pool: ingress
            .connection_pool
            .clone()
            .or_else(|| scope.inbound_pool()),
    }
}

/// `defaultEndpoint`, whose address is the pod's own or the loopback's, or none. A pod has one family of
/// addresses.
fn endpoint(said: &str, pod: &str) -> Option<(String, u32)> {
    let (host, port) = said.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let is_v6 = pod.parse::<Ipv6Addr>().is_ok();
    let own = |v6: bool| Some(pod.to_owned()).filter(|p| !p.is_empty() && is_v6 == v6);
    let address = match host.trim_matches(['[', ']']) {
        "0.0.0.0" => own(false).unwrap_or_else(|| LOCALHOST.into()),
        "::" => own(true).unwrap_or_else(|| LOCALHOST_V6.into()),
        "" => return None,
        _ if is_v6 => LOCALHOST_V6.into(),
        _ => LOCALHOST.into(),
    };
    Some((address, port))
}

fn cluster(accepted: &Accepted, scope: &Scope<'_>) -> Value {
    let name = format!("inbound|{}||", accepted.port);
    let mut cluster = match &accepted.endpoint {
        Some((address, port)) => fixed(&name, address, *port, scope),
        None => original(&name, accepted, scope),
    };
    let service = accepted.service.as_deref();
    let rule = service.and_then(|s| scope.inbound_rule(s));
    let rule = rule.as_deref().map(|r| &r.spec);
    let effective = traffic_policy::for_port(rule, accepted.number);
    let said = effective.settings.connection_pool.as_ref();
    let pool = accepted.pool.as_ref().or(said);
    limits::set_pool(pool, effective.retry_budget.as_ref(), scope, &mut cluster);
    let upgraded = ConnectionPool {
        http: pool.and_then(|p| p.http.clone()).map(|http| HttpPool {
            h2_upgrade_policy: H2Upgrade::Default,
            ..http
        }),
        tcp: None,
    };
    let http = http(accepted.protocol, || true, Some(&upgraded));
    http_options(http, &mut cluster);
    cluster.into()
}

/// Passes connections on to the address that they came for.
fn original(name: &str, accepted: &Accepted, scope: &View<'_>) -> Map<String, Value> {
    let mut cluster = basics(name, scope);
    finish_discovery("", Discovery::OriginalDst, &mut cluster);
    cluster.insert("lb_policy".into(), "CLUSTER_PROVIDED".into());
    // The largest duration that istiod can say: never.
    cluster.insert("cleanup_interval".into(), "9223372035s".into());
    let mut ports = accepted.service.iter().flat_map(|s| &s.ports);
    let port = ports.find(|p| p.number == accepted.number);
    if let Some(port) = port.and_then(|p| p.passed_to) {
        let config = json!({"upstream_port_override": port});
        cluster.insert("original_dst_lb_config".into(), config);
    }
    cluster.insert("upstream_bind_config".into(), envoy::passthrough_bind());
    cluster
}

/// Passes connections on to one address. To another than the loopback's they go by the source address
/// that redirection spares.
fn fixed(name: &str, address: &str, port: u32, scope: &View<'_>) -> Map<String, Value> {
    let mut cluster = basics(name, scope);
    cluster.insert("type".into(), "STATIC".into());
    let endpoint = json!({"endpoint": {"address": envoy::socket_address(address, port)}});
    cluster.insert(
        "load_assignment".into(),
        json!({"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}),
    );
    if !address.parse::<IpAddr>().is_ok_and(|a| a.is_loopback()) {
        cluster.insert("upstream_bind_config".into(), envoy::passthrough_bind());
    }
    cluster
}
