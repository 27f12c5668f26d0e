//! The filter chains of one service's port.

use std::{collections::BTreeSet, net::IpAddr};

use serde_json::{Map, Value, json};

use crate::{
    api::virtual_service::{Match, RouteDestination, TcpRoute, VirtualService},
    compile::{access_log::Direction, conflict::Conflict, envoy, routes, scope::View, tcp_proxy},
    objects::{
        Config,
        service::{Port, Service, UNSPECIFIED},
    },
};

/// What the inspector of first bytes calls HTTP.
const HTTP_ALPN: &[&str] = &["http/1.1", "h2c"];

/// What a chain takes apart from names and addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Any connection.
    Any,
    /// HTTP, told by its first bytes.
    SniffedHttp,
    /// Any connection, as HTTP.
    AllAsHttp,
}

/// A filter chain in the making. HTTP that shares a port with other traffic is told from it and passed
/// on, as it is; what Istio would do with it is not done.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) server_names: Vec<String>,
    destinations: Vec<String>,
    pub(crate) takes: Takes,
    filters: Vec<Value>,
    /// What declares it.
    pub(crate) owner: String,
}

impl Chain {
    pub(crate) fn http(takes: Takes, filter: Value, owner: String) -> Self {
        Self {
            server_names: Vec::new(),
            destinations: Vec::new(),
            takes,
            filters: vec![filter],
            owner,
        }
    }

    fn new(
        server_names: Vec<String>,
        destinations: Vec<String>,
        filters: Vec<Value>,
        owner: String,
    ) -> Self {
        Self {
            server_names,
            destinations,
            takes: Takes::Any,
            filters,
            owner,
        }
    }

    pub(crate) fn is_http(&self) -> bool {
        self.takes != Takes::Any
    }

    /// Whether both lead to the same place, so that nothing is lost where one of them is left out.
    pub(crate) fn leads_where(&self, other: &Self) -> bool {
        self.filters == other.filters
    }

    pub(crate) fn matches_all(&self) -> bool {
        let any_name = self.server_names.is_empty() || self.server_names.iter().any(|n| n == "*");
        any_name && self.destinations.is_empty() && !self.is_http()
    }

    /// Whether both would take the same connections (`conflictsWith` in
    /// `pilot/pkg/networking/core/listener.go`).
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
                .filter_map(|d| masked(d))
                .collect::<BTreeSet<_>>()
        };
        let sniffed = |c: &Self| c.takes == Takes::SniffedHttp;
        sniffed(self) == sniffed(other)
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
        let specific = blocks.iter().filter(|b| !is_unspecified(b));
        let ranges: Vec<Value> = specific.filter_map(|b| envoy::cidr(b)).collect();
        if !ranges.is_empty() {
            matches.insert("prefix_ranges".into(), ranges.into());
        }
        if self.takes == Takes::SniffedHttp {
            matches.insert("application_protocols".into(), json!(HTTP_ALPN));
            matches.insert("transport_protocol".into(), "raw_buffer".into());
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

/// Whether a block begins with the address that stands for none, which matches nothing in particular.
fn is_unspecified(block: &str) -> bool {
    block.split('/').next() == Some(UNSPECIFIED)
}

/// A block with the bits beyond its length cleared, so that equal blocks are equal; an address is a block
/// of itself. `None` for what says nothing.
fn masked(block: &str) -> Option<(IpAddr, u32)> {
    if is_unspecified(block) {
        return None;
    }
    let (address, bits) = block.split_once('/').unwrap_or((block, ""));
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits: u32 = if bits.is_empty() {
        width
    } else {
        bits.parse().ok()?
    };
    let cleared = width.checked_sub(bits)?;
    let masked = match address {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(cleared).unwrap_or(0);
            IpAddr::V4((u32::from(a) & mask).into())
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(cleared).unwrap_or(0);
            IpAddr::V6((u128::from(a) & mask).into())
        }
    };
    Some((masked, bits))
}

/// Where the chains of one port are made.
pub(crate) struct Place<'a> {
    pub(crate) scope: &'a View<'a>,
    pub(crate) service: &'a Service,
    /// The listener's port, which a `Sidecar` may say otherwise than the service.
    pub(crate) port: &'a Port,
    pub(crate) bind: &'a str,
    pub(crate) cidr: Option<String>,
    /// The listener of a `Sidecar` whose routes hold.
    pub(crate) import: usize,
}

impl Place<'_> {
    /// The chains of a port that is not HTTP: those of its routes, or one that leads to the service itself.
    /// Routes that are never reached are told.
    pub(crate) fn chains(&self, conflicts: &mut Vec<Conflict>) -> Vec<Chain> {
        let found = self.scope.routes(self.import, self.service);
        let routed: Vec<&Config<VirtualService>> = found.iter().map(|v| &**v).collect();
        let cidrs: Vec<String> = self.cidr.iter().cloned().collect();
        if self.port.protocol.is_tls() {
            self.tls(cidrs, &routed, conflicts)
        } else {
            self.plain(&cidrs, &routed, conflicts)
        }
    }

    fn route(
        &self,
        routes: &[RouteDestination],
        config: &Config<VirtualService>,
    ) -> Option<Vec<Value>> {
        let found = tcp_proxy::to_route(routes, self.port.number, &config.meta, self.scope)?;
        Some(self.filters(found))
    }

    /// The filters of a chain that ends with that one (`buildNetworkFiltersStack` in
    /// `pilot/pkg/networking/core/networkfilter.go`).
    fn filters(&self, last: Value) -> Vec<Value> {
        let first = envoy::before_tcp_proxy(self.port.protocol, &last);
        first.into_iter().chain([last]).collect()
    }

    fn holds(&self, condition: &Match) -> bool {
        routes::matches_sidecar(condition, self.scope, self.port.number)
    }

    fn unreached(&self, winner: &str, loser: &Config<VirtualService>) -> Conflict {
        Conflict {
            place: format!("host {}, port {}", self.service.host, self.port.number),
            winner: winner.to_owned(),
            loser: named(loser),
            reason: "routes are asked in order, private ones first, then the oldest; an earlier one takes \
                     every such connection"
                .into(),
        }
    }

    /// Straight to the service; the listener's port counts where the service has several.
    pub(crate) fn straight(&self) -> Value {
        let number = match self.service.ports.as_slice() {
            [only] => only.number,
            _ => self.port.number,
        };
        let cluster = routes::outbound_cluster("", &self.service.host, number);
        let rule = self.scope.outbound_rule(self.service);
        let rule = rule.as_deref().map(|r| &r.spec);
        tcp_proxy::to_cluster(&cluster, rule, self.scope, Direction::Out)
    }

    fn tls(
        &self,
        mut cidrs: Vec<String>,
        routed: &[&Config<VirtualService>],
        conflicts: &mut Vec<Conflict>,
    ) -> Vec<Chain> {
        let mut chains = Vec::new();
        let mut handled: Vec<(String, String)> = Vec::new();
        for config in routed {
            for said in config.spec.tls.iter().filter(|t| !t.route.is_empty()) {
                for condition in said.r#match.iter().filter(|m| self.holds(m)) {
                    if !condition.destination_subnets.is_empty() {
                        cidrs.clone_from(&condition.destination_subnets);
                    }
                    // A later rule for the same names and addresses is never reached.
                    let key = condition.sni_hosts.join(",");
                    let key = format!("{key}|{}", condition.destination_subnets.join(","));
                    if let Some((_, winner)) = handled.iter().find(|(k, _)| *k == key) {
                        if *winner != named(config) {
                            conflicts.push(self.unreached(winner, config));
                        }
                        continue;
                    }
                    handled.push((key, named(config)));
                    if let Some(filters) = self.route(&said.route, config) {
                        let names = condition.sni_hosts.clone();
                        chains.push(Chain::new(names, cidrs.clone(), filters, named(config)));
                    }
                }
            }
        }
        if !chains.is_empty() {
            return chains;
        }
        // Where the address does not tell the service, the name must.
        let service = self.service;
        let has_block = service.address.contains('/');
        let anywhere = service.address == UNSPECIFIED && self.bind == UNSPECIFIED;
        let names = if !cidrs.is_empty() || has_block || anywhere {
            self.names()
        } else {
            Vec::new()
        };
        let owner = service.origin.to_string();
        vec![Chain::new(
            names,
            cidrs,
            self.filters(self.straight()),
            owner,
        )]
    }

    fn plain(
        &self,
        cidrs: &[String],
        routed: &[&Config<VirtualService>],
        conflicts: &mut Vec<Conflict>,
    ) -> Vec<Chain> {
        let mut chains = Vec::new();
        let mut is_covered = false;
        let chain = |blocks: &[String], filters, owner| {
            Chain::new(Vec::new(), blocks.to_vec(), filters, owner)
        };
        for (index, config) in routed.iter().enumerate() {
            for said in &config.spec.tcp {
                let Some(filters) = self.route(&said.route, config) else {
                    continue;
                };
                let Some(mut subnets) = self.subnets(said) else {
                    // Every connection takes it, so that what follows is never reached.
                    chains.push(chain(cidrs, filters, named(config)));
                    let later = routed[index + 1..].iter().filter(|v| self.would_route(v));
                    conflicts.extend(later.map(|v| self.unreached(&named(config), v)));
                    return chains;
                };
                if subnets.is_empty() {
                    continue;
                }
                chains.push(chain(&subnets, filters, named(config)));
                subnets.sort();
                let mut own = cidrs.to_vec();
                own.sort();
                is_covered |= subnets == own;
            }
        }
        if !is_covered {
            let owner = self.service.origin.to_string();
            chains.push(chain(cidrs, self.filters(self.straight()), owner));
        }
        chains
    }

    /// The subnets that a route's conditions name, of those that hold; `None` where one names none, or there
    /// is no condition: the route then takes every connection.
    fn subnets(&self, said: &TcpRoute) -> Option<Vec<String>> {
        if said.r#match.is_empty() {
            return None;
        }
        let mut subnets = Vec::new();
        for condition in said.r#match.iter().filter(|m| self.holds(m)) {
            if condition.destination_subnets.is_empty() {
                return None;
            }
            subnets.extend(condition.destination_subnets.iter().cloned());
        }
        Some(subnets)
    }

    /// The names by which TLS tells a service: its host, and its aliases in all their forms
    /// (`GenerateAltVirtualHosts` in `pilot/pkg/networking/core/httproute.go`).
    fn names(&self) -> Vec<String> {
        let mut names = vec![self.service.host.clone()];
        for alias in &self.service.aliases {
            names.push(alias.clone());
            names.push(format!("{alias}."));
            let Some((short, _)) = alias.split_once(".svc.") else {
                continue;
            };
            if let Some((name, _)) = short.split_once('.').filter(|(_, n)| self.scope.is_in(n)) {
                names.push(name.to_owned());
            }
            names.extend([short.to_owned(), format!("{short}.svc")]);
        }
        names
    }

    /// Whether a route would take some connection to the port.
    fn would_route(&self, config: &Config<VirtualService>) -> bool {
        let mut routes = config.spec.tcp.iter().filter(|r| !r.route.is_empty());
        routes.any(|r| r.r#match.is_empty() || r.r#match.iter().any(|m| self.holds(m)))
    }
}

fn named(config: &Config<VirtualService>) -> String {
    format!(
        "VirtualService {}/{}",
        config.meta.namespace, config.meta.name
    )
}
