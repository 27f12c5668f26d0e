//! A gateway's listeners (`pilot/pkg/model/gateway.go`, `pilot/pkg/networking/core/gateway.go`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    access_log::Direction,
    envoy::{self, socket_address},
    rbac, routes,
    scope::Scope,
    tcp_proxy, tls,
};
use crate::{
    api::{
        self,
        gateway::{Gateway, Server},
    },
    host,
    objects::{Config, Same, service::UNSPECIFIED},
};

/// A server of some `Gateway`, on the port where the pod really listens.
struct Placed<'a> {
    server: &'a Server,
    /// `namespace/name` of its `Gateway`.
    gateway: String,
    /// The server's hosts, with `.` made the `Gateway`'s namespace and `*/` gone.
    hosts: Vec<String>,
    bind: String,
    port: u32,
}

/// The listeners of a gateway, one for each address and port that leads somewhere.
pub(crate) fn listeners(scope: &Scope<'_>) -> Vec<Value> {
    let access = rbac::filters(scope);
    let mut names_by_port: BTreeMap<u32, BTreeMap<String, String>> = BTreeMap::new();
    let mut listeners: Vec<(String, u32, Vec<Value>)> = Vec::new();
    let gateways = scope.gateways();
    for placed in servers(&gateways, scope) {
        let chains = chains(
            &placed,
            scope,
            &access,
            names_by_port.entry(placed.port).or_default(),
        );
        match listeners
            .iter_mut()
            .find(|(bind, port, _)| *bind == placed.bind && *port == placed.port)
        {
            Some((_, _, all)) => all.extend(chains),
            None => listeners.push((placed.bind.clone(), placed.port, chains)),
        }
    }
    listeners
        .into_iter()
        .filter(|(_, _, chains)| !chains.is_empty())
        .map(|(bind, port, chains)| listener(&bind, port, chains, scope))
        .collect()
}

/// All servers that have a place: of two that cannot share a port, the older.
fn servers<'a>(gateways: &'a [Same<Config<Gateway>>], scope: &Scope<'_>) -> Vec<Placed<'a>> {
    let mut placed: Vec<Placed<'a>> = Vec::new();
    let mut names: BTreeMap<u32, BTreeMap<String, String>> = BTreeMap::new();
    for gateway in gateways {
        for server in &gateway.spec.servers {
            let Some(candidate) = place(server, gateway, scope) else {
                continue;
            };
            let known = names.entry(candidate.port).or_default();
            if server.tls.is_some() && repeats(&candidate.hosts, &candidate.bind, known) {
                continue;
            }
            if placed.iter().all(|p| can_share(p, &candidate)) {
                placed.push(candidate);
            }
        }
    }
    placed
}

fn place<'a>(
    server: &'a Server,
    gateway: &Config<Gateway>,
    scope: &Scope<'_>,
) -> Option<Placed<'a>> {
    let namespace = &gateway.meta.namespace;
    let port = server.port.as_ref()?;
    let hosts = server.hosts.iter().map(|h| match h.split_once('/') {
        Some((".", name)) => format!("{namespace}/{name}"),
        Some(("*", name)) => name.to_owned(),
        _ => h.clone(),
    });
    Some(Placed {
        server,
        gateway: format!("{namespace}/{}", gateway.meta.name),
        hosts: hosts.collect(),
        bind: if server.bind.is_empty() {
            UNSPECIFIED.to_owned()
        } else {
            server.bind.clone()
        },
        port: real_port(u32::try_from(port.number).ok()?, scope),
    })
}

/// The port of the pod behind a port of its Service; a port of no Service is the pod's own.
fn real_port(number: u32, scope: &Scope<'_>) -> u32 {
    scope
        .own_ports()
        .iter()
        .find(|own| own.port.number == number)
        .map_or(number, |own| own.target)
}

/// Whether a name is taken already on an address; names that are not are taken now.
fn repeats(hosts: &[String], bind: &str, known: &mut BTreeMap<String, String>) -> bool {
    let mut repeats = false;
    for host in hosts {
        if known.get(host).is_some_and(|b| b == bind) {
            repeats = true;
        } else {
            known.insert(host.clone(), bind.to_owned());
        }
    }
    repeats
}

/// Servers with TLS are told apart by name; a plaintext one takes every connection of its port.
fn can_share(first: &Placed<'_>, second: &Placed<'_>) -> bool {
    let same = first.port == second.port && first.bind == second.bind;
    !same || first.server.tls.is_some()
}

fn chains(
    placed: &Placed<'_>,
    scope: &Scope<'_>,
    access: &[Value],
    names: &mut BTreeMap<String, String>,
) -> Vec<Value> {
    let tls = placed.server.tls.as_ref();
    if tls.is_some_and(|t| t.mode.is_passthrough()) {
        return passed_through(placed, scope, access, names);
    }
    let Some(filter) = tcp_route(placed, scope) else {
        return Vec::new();
    };
    let names = if tls.is_some() {
        server_names(&placed.hosts)
    } else {
        Vec::new()
    };
    let socket = tls.map(tls::gateway_server);
    vec![chain(&names, socket, access, filter)]
}

/// The names of a server, without namespaces.
fn server_names(hosts: &[String]) -> Vec<String> {
    let bare = |h: &String| {
        h.split_once('/')
            .map_or(h.as_str(), |(_, name)| name)
            .to_owned()
    };
    hosts
        .iter()
        .map(bare)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// Where the first `tcp` route that is bound to the server leads.
fn tcp_route(placed: &Placed<'_>, scope: &Scope<'_>) -> Option<Value> {
    let number = placed.server.port.as_ref()?.number;
    for config in scope.virtual_services(&placed.gateway) {
        if !shares_host(&placed.hosts, &config.spec.hosts, &config.meta.namespace) {
            continue;
        }
        let holds = |r: &&api::virtual_service::TcpRoute| {
            r.r#match.is_empty()
                || r.r#match
                    .iter()
                    .any(|m| routes::matches_gateway(m, &placed.gateway, number))
        };
        if let Some(route) = config
            .spec
            .tcp
            .iter()
            .filter(holds)
            .find(|r| !r.route.is_empty())
        {
            return tcp_proxy::to_route(
                &route.route,
                u32::try_from(number).ok()?,
                &config.meta,
                scope,
            );
        }
    }
    None
}

/// One chain for each `tls` route that is bound to the server; the first to name a host keeps it.
fn passed_through(
    placed: &Placed<'_>,
    scope: &Scope<'_>,
    access: &[Value],
    names: &mut BTreeMap<String, String>,
) -> Vec<Value> {
    let number = placed.server.port.as_ref().map_or(0, |p| p.number);
    let mut found = Vec::new();
    for config in scope.virtual_services(&placed.gateway) {
        if !shares_host(&placed.hosts, &config.spec.hosts, &config.meta.namespace) {
            continue;
        }
        for route in config.spec.tls.iter().filter(|r| !r.route.is_empty()) {
            for condition in route
                .r#match
                .iter()
                .filter(|m| routes::matches_gateway(m, &placed.gateway, number))
            {
                if repeats(&condition.sni_hosts, &placed.server.bind, names) {
                    continue;
                }
                let port = u32::try_from(number).unwrap_or_default();
                if let Some(filter) = tcp_proxy::to_route(&route.route, port, &config.meta, scope) {
                    found.push(chain(&condition.sni_hosts, None, access, filter));
                }
            }
        }
    }
    found
}

/// Whether a route's hosts and a server's have one in common, of the route's namespace where it is said.
fn shares_host(server: &[String], routed: &[String], namespace: &str) -> bool {
    server.iter().any(|h| {
        let (wanted, name) = h
            .split_once('/')
            .map_or((None, h.as_str()), |(n, name)| (Some(n), name));
        wanted.is_none_or(|n| n == namespace) && routed.iter().any(|r| host::matches(name, r))
    })
}

fn chain(names: &[String], socket: Option<Value>, access: &[Value], filter: Value) -> Value {
    let mut chain = Map::new();
    if !names.is_empty() && !names.iter().any(|n| n == "*") {
        let mut names = names.to_vec();
        names.sort();
        chain.insert("filter_chain_match".into(), json!({"server_names": names}));
    }
    let mut filters = access.to_vec();
    filters.push(filter);
    chain.insert("filters".into(), filters.into());
    if let Some(socket) = socket {
        chain.insert("transport_socket".into(), socket);
    }
    chain.insert("transport_socket_connect_timeout".into(), "15s".into());
    chain.into()
}

fn listener(bind: &str, port: u32, chains: Vec<Value>, scope: &Scope<'_>) -> Value {
    let looks_at_tls = |c: &Value| {
        let names = !c["filter_chain_match"]["server_names"].is_null();
        names || !c["transport_socket"].is_null()
    };
    let mut listener = Map::new();
    listener.insert("name".into(), format!("{bind}_{port}").into());
    listener.insert("address".into(), socket_address(bind, port));
    listener.insert("traffic_direction".into(), "OUTBOUND".into());
    listener.insert(
        "max_connections_to_accept_per_socket_event".into(),
        1.into(),
    );
    if chains.iter().any(looks_at_tls) {
        listener.insert("listener_filters".into(), json!([envoy::tls_inspector()]));
    }
    listener.insert("filter_chains".into(), chains.into());
    scope.log().of_listener(Direction::Out, &mut listener);
    listener.into()
}
