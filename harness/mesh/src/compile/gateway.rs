//! A gateway's listeners (`pilot/pkg/networking/core/gateway.go`).

mod merge;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    HttpPlace, access_log::Direction, conflict::Conflict, envoy, memo::Draft, rbac, routes,
    scope::Scope, tcp_proxy, tls,
};
use crate::{
    api::virtual_service::{TcpRoute, VirtualService},
    host,
    objects::Config,
};
use merge::{Names, Place, Placed};

/// A filter chain before it is written down.
#[derive(Debug)]
struct Chain {
    /// Of TLS; with `*` among them, any.
    names: Vec<String>,
    socket: Option<Value>,
    filters: Vec<Value>,
    is_http: bool,
}

/// An address and port, with what is told apart there.
#[derive(Debug)]
struct Listener {
    address: String,
    port: u32,
    chains: Vec<Chain>,
}

/// The listeners of a gateway, one for each address and port that leads somewhere.
///
/// Where an HTTP server would stand, TLS is as Istio has it, and the connection ends behind it at the
/// black hole: it must neither be served by what is not there nor fall to another server's names.
pub(crate) fn listeners(scope: &Scope<'_>) -> Draft {
    let gateways = scope.gateways();
    let merged = merge::servers(&gateways, scope);
    let mut draft = Draft {
        conflicts: merged.conflicts,
        ..Draft::default()
    };
    let mut found: Vec<Listener> = Vec::new();
    let mut builder = Builder {
        scope,
        access: rbac::filters(scope),
        names: BTreeMap::new(),
        conflicts: &mut draft.conflicts,
    };
    for (place, servers) in &merged.places {
        let chains = builder.chains(place, servers);
        let same = |l: &&mut Listener| l.address == place.address() && l.port == place.port;
        match found.iter_mut().find(same) {
            Some(listener) => listener.chains.extend(chains),
            None => found.push(Listener {
                address: place.address().to_owned(),
                port: place.port,
                chains,
            }),
        }
    }
    found.retain(|l| !l.chains.is_empty());
    for listener in found.iter().filter(|l| l.chains.iter().any(|c| c.is_http)) {
        draft.http.push(HttpPlace {
            address: listener.address.clone(),
            port: listener.port,
        });
    }
    draft.listeners = found.into_iter().map(|l| l.written(scope)).collect();
    draft
}

struct Builder<'a> {
    scope: &'a Scope<'a>,
    /// The filters of authorization.
    access: Vec<Value>,
    /// Names of routes that are passed through, by the port of the listener.
    names: BTreeMap<u32, Names>,
    conflicts: &'a mut Vec<Conflict>,
}

impl Builder<'_> {
    fn chains(&mut self, place: &Place<'_>, servers: &[Placed<'_>]) -> Vec<Chain> {
        // HTTP servers of a port share one chain.
        if place.speaks().is_http() {
            return vec![self.ends_http(Vec::new(), None)];
        }
        let mut chains = Vec::new();
        for server in servers {
            match &server.server.tls {
                Some(tls) if tls.mode.is_passthrough() => {
                    chains.extend(self.passed_through(place, server));
                }
                Some(tls) => {
                    let names = server_names(&server.hosts);
                    let socket = Some(tls::gateway_server(tls, server.protocol(), self.scope));
                    if server.is_http() {
                        chains.push(self.ends_http(names, socket));
                    } else {
                        chains.extend(self.terminated(server, names, socket));
                    }
                }
                None => chains.extend(self.terminated(server, Vec::new(), None)),
            }
        }
        chains
    }

    /// What stands in the place of HTTP's connection manager.
    fn ends_http(&self, names: Vec<String>, socket: Option<Value>) -> Chain {
        Chain {
            names,
            socket,
            filters: vec![tcp_proxy::to_cluster(
                "BlackHoleCluster",
                None,
                self.scope,
                Direction::Out,
            )],
            is_http: true,
        }
    }

    /// The chain of a server that ends TLS, or has none. `None` without a route.
    fn terminated(
        &mut self,
        server: &Placed<'_>,
        names: Vec<String>,
        socket: Option<Value>,
    ) -> Option<Chain> {
        let services = self.scope.virtual_services(&server.gateway);
        let mut bound = services
            .iter()
            .filter(|v| shares_host(server, v))
            .filter_map(|v| Some((v, tcp_route(&v.spec, server)?)));
        let (config, route) = bound.next()?;
        for (other, _) in bound {
            self.conflicts.push(Conflict {
                place: server.title(),
                winner: title(config),
                loser: title(other),
                reason: "the first route that fits takes every connection of the server".into(),
            });
        }
        let number = u32::try_from(server.number()).ok()?;
        let filter = tcp_proxy::to_route(&route.route, number, &config.meta, self.scope)?;
        Some(Chain {
            names,
            socket,
            filters: self.filters(server, filter),
            is_http: false,
        })
    }

    /// One chain for each `tls` route that is bound to the server; the first to name a host keeps it.
    fn passed_through(&mut self, place: &Place<'_>, server: &Placed<'_>) -> Vec<Chain> {
        let number = server.number();
        let mut found = Vec::new();
        for config in &self.scope.virtual_services(&server.gateway) {
            if !shares_host(server, config) {
                continue;
            }
            for route in config.spec.tls.iter().filter(|r| !r.route.is_empty()) {
                for condition in route
                    .r#match
                    .iter()
                    .filter(|m| routes::matches_gateway(m, &server.gateway, number))
                {
                    if !self.takes(place, server, config, &condition.sni_hosts) {
                        continue;
                    }
                    let port = u32::try_from(number).unwrap_or_default();
                    let filter = tcp_proxy::to_route(&route.route, port, &config.meta, self.scope);
                    found.extend(filter.map(|filter| Chain {
                        names: condition.sni_hosts.clone(),
                        socket: None,
                        filters: self.filters(server, filter),
                        is_http: false,
                    }));
                }
            }
        }
        found
    }

    fn takes(
        &mut self,
        place: &Place<'_>,
        server: &Placed<'_>,
        config: &Config<VirtualService>,
        names: &[String],
    ) -> bool {
        let known = self.names.entry(place.port).or_default();
        let Err((name, winner)) = known.take(names, &server.server.bind, &title(config)) else {
            return true;
        };
        self.conflicts.push(Conflict {
            place: server.title(),
            winner,
            loser: title(config),
            reason: format!("the route that is seen first keeps the name {name}"),
        });
        false
    }

    fn filters(&self, server: &Placed<'_>, last: Value) -> Vec<Value> {
        let mut filters = self.access.clone();
        filters.extend(envoy::before_tcp_proxy(server.protocol(), &last));
        filters.push(last);
        filters
    }
}

fn title(config: &Config<VirtualService>) -> String {
    format!(
        "VirtualService {}/{}",
        config.meta.namespace, config.meta.name
    )
}

/// The first `tcp` route of a `VirtualService` that is bound to the server and leads somewhere.
fn tcp_route<'a>(service: &'a VirtualService, server: &Placed<'_>) -> Option<&'a TcpRoute> {
    let holds = |r: &&TcpRoute| {
        r.r#match.is_empty()
            || r.r#match
                .iter()
                .any(|m| routes::matches_gateway(m, &server.gateway, server.number()))
    };
    let mut fitting = service.tcp.iter().filter(holds);
    fitting.find(|r| !r.route.is_empty())
}

/// The names of a server, without namespaces.
fn server_names(hosts: &[String]) -> Vec<String> {
    let bare = |h: &String| {
        h.split_once('/')
            .map_or(h.as_str(), |(_, name)| name)
            .to_owned()
    };
    let names: BTreeSet<String> = hosts.iter().map(bare).collect();
    names.into_iter().collect()
}

/// Whether a route's hosts and a server's have one in common, of the route's namespace where it is said.
fn shares_host(server: &Placed<'_>, config: &Config<VirtualService>) -> bool {
    server.hosts.iter().any(|h| {
        let (wanted, name) = h
            .split_once('/')
            .map_or((None, h.as_str()), |(n, name)| (Some(n), name));
        wanted.is_none_or(|n| n == config.meta.namespace)
            && config.spec.hosts.iter().any(|r| host::matches(name, r))
    })
}

impl Chain {
    /// Whether TLS must be looked at before the chain can be chosen.
    fn needs_tls(&self) -> bool {
        !self.names.is_empty() || self.socket.is_some()
    }

    fn written(mut self) -> Value {
        let mut chain = Map::new();
        if !self.names.is_empty() && !self.names.iter().any(|n| n == "*") {
            self.names.sort();
            chain.insert(
                "filter_chain_match".into(),
                json!({"server_names": self.names}),
            );
        }
        chain.insert("filters".into(), self.filters.into());
        if let Some(socket) = self.socket {
            chain.insert("transport_socket".into(), socket);
        }
        chain.insert("transport_socket_connect_timeout".into(), "15s".into());
        chain.into()
    }
}

impl Listener {
    fn written(self, scope: &Scope<'_>) -> Value {
        let mut listener = Map::new();
        listener.insert(
            "name".into(),
            format!("{}_{}", self.address, self.port).into(),
        );
        listener.insert(
            "address".into(),
            envoy::listening_address(&self.address, self.port),
        );
        listener.insert("traffic_direction".into(), "OUTBOUND".into());
        listener.insert(
            "max_connections_to_accept_per_socket_event".into(),
            1.into(),
        );
        if self.chains.iter().any(Chain::needs_tls) {
            listener.insert("listener_filters".into(), json!([envoy::tls_inspector()]));
        }
        let chains: Vec<Value> = self.chains.into_iter().map(Chain::written).collect();
        listener.insert("filter_chains".into(), chains.into());
        scope.log().of_listener(Direction::Out, &mut listener);
        listener.into()
    }
}
