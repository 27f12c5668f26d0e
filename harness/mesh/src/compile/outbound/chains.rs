//! The filter chains of one service's port.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{
    api::virtual_service::{Match, RouteDestination, VirtualService},
    compile::{access_log::Direction, envoy, routes, scope::View, tcp_proxy},
    objects::{
        Config,
        service::{Port, Service, UNSPECIFIED},
    },
};

/// A filter chain in the making.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) server_names: Vec<String>,
    destinations: Vec<String>,
    /// HTTP is told by its first bytes; such a chain is only a mark that the port takes HTTP.
    pub(crate) is_http: bool,
    filters: Vec<Value>,
}

impl Chain {
    pub(crate) fn http() -> Self {
        Self {
            server_names: Vec::new(),
            destinations: Vec::new(),
            is_http: true,
            filters: Vec::new(),
        }
    }

    fn new(server_names: Vec<String>, destinations: Vec<String>, filter: Value) -> Self {
        Self {
            server_names,
            destinations,
            is_http: false,
            filters: vec![filter],
        }
    }

    pub(crate) fn matches_all(&self) -> bool {
        let any_name = self.server_names.is_empty() || self.server_names.iter().any(|n| n == "*");
        any_name && self.destinations.is_empty() && !self.is_http
    }

    /// Whether both would take the same connections.
    pub(crate) fn conflicts_with(&self, other: &Self) -> bool {
        let names = |c: &Self| {
            c.server_names
                .iter()
                .filter(|n| *n != "*")
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        let blocks = |c: &Self| {
            c.destinations
                .iter()
                .map(|d| masked(d))
                .collect::<BTreeSet<_>>()
        };
        self.is_http == other.is_http
            && names(self) == names(other)
            && blocks(self) == blocks(other)
    }

    pub(crate) fn to_envoy(&self) -> Value {
        let mut matches = Map::new();
        if !self.server_names.is_empty() && !self.server_names.iter().any(|n| n == "*") {
            let mut names = self.server_names.clone();
            names.sort();
            matches.insert("server_names".into(), names.into());
        }
        let mut blocks = self.destinations.clone();
        blocks.sort();
        let ranges: Vec<Value> = blocks.iter().filter_map(|b| envoy::cidr(b)).collect();
        if !ranges.is_empty() {
            matches.insert("prefix_ranges".into(), ranges.into());
        }
        let mut chain = Map::new();
        if !matches.is_empty() {
            chain.insert("filter_chain_match".into(), matches.into());
        }
        chain.insert("filters".into(), json!(self.filters));
        chain.insert("transport_socket_connect_timeout".into(), "15s".into());
        chain.into()
    }
}

/// A block with the bits beyond its length cleared, so that equal blocks are equal texts.
fn masked(block: &str) -> String {
    let (address, bits) = block.split_once('/').unwrap_or((block, "32"));
    match (address.parse::<std::net::Ipv4Addr>(), bits.parse::<u32>()) {
        (Ok(address), Ok(bits)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            format!(
                "{}/{bits}",
                std::net::Ipv4Addr::from(u32::from(address) & mask)
            )
        }
        _ => block.to_owned(),
    }
}

/// The chains of a port that is not HTTP: those of its routes, or one that leads to the service itself.
pub(crate) fn tcp(
    service: &Service,
    port: &Port,
    bind: &str,
    cidr: Option<String>,
    scope: &View<'_>,
) -> Vec<Chain> {
    let found = scope.routes(service);
    let routed: Vec<&Config<VirtualService>> = found.iter().map(|v| &**v).collect();
    let cidrs: Vec<String> = cidr.into_iter().collect();
    if port.protocol.is_tls() {
        tls(service, port, bind, cidrs, &routed, scope)
    } else {
        plain(service, port, &cidrs, &routed, scope)
    }
}

fn route(
    routes: &[RouteDestination],
    port: &Port,
    config: &Config<VirtualService>,
    scope: &View<'_>,
) -> Option<Value> {
    tcp_proxy::to_route(routes, port.number, &config.meta, scope)
}

/// Straight to the service.
fn straight(service: &Service, port: &Port, scope: &View<'_>) -> Value {
    let number = if service.ports.len() == 1 {
        service.ports[0].number
    } else {
        port.number
    };
    let cluster = routes::outbound_cluster("", &service.host, number);
    let rule = scope.outbound_rule(service);
    let spec = rule.as_deref().map(|r| &r.spec);
    tcp_proxy::to_cluster(&cluster, spec, scope, Direction::Out)
}

fn tls(
    service: &Service,
    port: &Port,
    bind: &str,
    mut cidrs: Vec<String>,
    routed: &[&Config<VirtualService>],
    scope: &View<'_>,
) -> Vec<Chain> {
    let mut chains = Vec::new();
    let mut handled: Vec<(&[String], &[String])> = Vec::new();
    for config in routed {
        for said in &config.spec.tls {
            for condition in said
                .r#match
                .iter()
                .filter(|m| routes::matches_sidecar(m, scope, port.number))
            {
                if !condition.destination_subnets.is_empty() {
                    cidrs.clone_from(&condition.destination_subnets);
                }
                // A later rule for the same names and addresses is never reached.
                let key = (
                    condition.sni_hosts.as_slice(),
                    condition.destination_subnets.as_slice(),
                );
                if handled.contains(&key) {
                    continue;
                }
                handled.push(key);
                if let Some(filter) = route(&said.route, port, config, scope) {
                    chains.push(Chain::new(
                        condition.sni_hosts.clone(),
                        cidrs.clone(),
                        filter,
                    ));
                }
            }
        }
    }
    if !chains.is_empty() {
        return chains;
    }
    // Where the address does not tell the service, the name must.
    let has_block = service.address.contains('/');
    let by_name =
        !cidrs.is_empty() || has_block || (service.address == UNSPECIFIED && bind == UNSPECIFIED);
    let names = if by_name {
        vec![service.host.clone()]
    } else {
        Vec::new()
    };
    vec![Chain::new(names, cidrs, straight(service, port, scope))]
}

fn plain(
    service: &Service,
    port: &Port,
    cidrs: &[String],
    routed: &[&Config<VirtualService>],
    scope: &View<'_>,
) -> Vec<Chain> {
    let mut chains = Vec::new();
    let mut is_covered = false;
    for config in routed {
        for said in &config.spec.tcp {
            let Some(filter) = route(&said.route, port, config, scope) else {
                continue;
            };
            let holding: Vec<&Match> = said
                .r#match
                .iter()
                .filter(|m| routes::matches_sidecar(m, scope, port.number))
                .collect();
            // A condition on nothing but what is known beforehand takes every connection.
            let takes_all =
                said.r#match.is_empty() || holding.iter().any(|m| m.destination_subnets.is_empty());
            if takes_all {
                chains.push(Chain::new(Vec::new(), cidrs.to_vec(), filter));
                return chains;
            }
            let mut subnets: Vec<String> = holding
                .iter()
                .flat_map(|m| m.destination_subnets.iter().cloned())
                .collect();
            if subnets.is_empty() {
                continue;
            }
            chains.push(Chain::new(Vec::new(), subnets.clone(), filter));
            subnets.sort();
            let mut own = cidrs.to_vec();
            own.sort();
            is_covered |= subnets == own;
        }
    }
    if !is_covered {
        chains.push(Chain::new(
            Vec::new(),
            cidrs.to_vec(),
            straight(service, port, scope),
        ));
    }
    chains
}
