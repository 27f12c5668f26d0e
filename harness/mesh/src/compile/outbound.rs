//! A sidecar's outbound listeners (`pilot/pkg/networking/core/listener.go`, `tls.go`).

mod chains;
mod places;

use serde_json::{Map, Value, json};

use super::{
    HttpPlace,
    access_log::Direction,
    envoy::{self, socket_address},
    memo::Draft,
    scope::View,
    tcp_proxy,
};
use crate::{objects::service::UNSPECIFIED, protocol::Protocol};
use chains::Chain;
pub(crate) use places::{Places, Tenant, places};

/// The port that outbound connections are redirected to.
const OUTBOUND_PORT: u32 = 15001;
const INBOUND_PORT: u32 = 15006;

/// A listener in the making: all services that share an address and port.
struct Entry {
    bind: String,
    port: u32,
    protocol: Protocol,
    chains: Vec<Chain>,
}

/// The listener that takes what no other does.
pub(crate) fn virtual_outbound(scope: &View<'_>) -> Value {
    let unknown = tcp_proxy::to_cluster(scope.unknown_cluster(), None, scope, Direction::Out);
    let mut listener = Map::new();
    listener.insert("name".into(), "virtualOutbound".into());
    listener.insert("address".into(), socket_address(UNSPECIFIED, OUTBOUND_PORT));
    listener.insert("traffic_direction".into(), "OUTBOUND".into());
    listener.insert("use_original_dst".into(), true.into());
    listener.insert(
        "max_connections_to_accept_per_socket_event".into(),
        1.into(),
    );
    let chains = json!([
        {
            "name": "virtualOutbound-blackhole",
            "filter_chain_match": {"destination_port": OUTBOUND_PORT},
            "filters": [tcp_proxy::unlogged("BlackHoleCluster")],
        },
        {"name": "virtualOutbound-catchall-tcp", "filters": [unknown]},
    ]);
    listener.insert("filter_chains".into(), chains);
    scope.log().of_listener(Direction::Out, &mut listener);
    listener.into()
}

/// The listener of one place, which connections reach by their original destination; only named where
/// it is for HTTP alone.
pub(crate) fn listener(scope: &View<'_>, bind: &str, port: u32) -> Draft {
    let mut draft = Draft::default();
    let mut entry = None;
    for tenant in scope.tenants(bind, port) {
        add(&tenant, bind, scope, &mut entry);
    }
    let Some(entry) = entry else { return draft };
    if entry.chains.iter().any(|c| c.is_http) {
        draft.http.push(HttpPlace {
            address: entry.bind.clone(),
            port,
        });
    }
    draft.listeners.extend(finish(&entry, scope));
    draft
}

fn add(tenant: &Tenant, bind: &str, scope: &View<'_>, entry: &mut Option<Entry>) {
    let (service, port) = (&tenant.service, &tenant.port);
    let mut protocol = port.protocol;
    let mut chains = Vec::new();
    if port.protocol.is_http() {
        if entry.as_ref().is_some_and(|c| !c.protocol.is_tcp()) {
            return;
        }
        chains.push(Chain::http());
        // With the way left open for other traffic, it is no longer known what the port speaks.
        protocol = Protocol::Unsupported;
    } else {
        chains.extend(chains::tcp(service, port, bind, tenant.cidr.clone(), scope));
        let auto_over_auto = entry.as_ref().is_some_and(|c| c.protocol.is_unsupported());
        if port.protocol.is_unsupported() && !auto_over_auto {
            chains.push(Chain::http());
        }
    }
    match entry {
        None => {
            *entry = Some(Entry {
                bind: bind.to_owned(),
                port: port.number,
                protocol,
                chains,
            });
        }
        Some(current) => join(current, port.protocol, chains),
    }
}

/// Joins the chains of another service on the same address and port; the earlier wins where both would
/// take a connection. Server-first protocols share a port with nothing else.
fn join(current: &mut Entry, incoming: Protocol, chains: Vec<Chain>) {
    let server_first = |p: Protocol| matches!(p, Protocol::Mongo | Protocol::Mysql);
    if (server_first(incoming) || server_first(current.protocol)) && incoming != current.protocol {
        return;
    }
    let mixes = current.protocol.is_tcp() && (incoming.is_http() || incoming.is_unsupported());
    for chain in chains {
        if !current.chains.iter().any(|c| c.conflicts_with(&chain)) {
            current.chains.push(chain);
        }
    }
    if mixes {
        current.protocol = Protocol::Unsupported;
    }
}

/// The listener of an entry; `None` where it is for HTTP alone.
fn finish(entry: &Entry, scope: &View<'_>) -> Option<Value> {
    let chains: Vec<&Chain> = entry.chains.iter().filter(|c| !c.is_http).collect();
    if chains.is_empty() {
        return None;
    }
    let mut listener = Map::new();
    listener.insert(
        "name".into(),
        format!("{}_{}", entry.bind, entry.port).into(),
    );
    listener.insert("address".into(), socket_address(&entry.bind, entry.port));
    listener.insert("traffic_direction".into(), "OUTBOUND".into());
    listener.insert("bind_to_port".into(), false.into());
    listener.insert("continue_on_listener_filters_timeout".into(), true.into());
    listener.insert("listener_filters_timeout".into(), "0s".into());
    if chains.iter().any(|c| !c.server_names.is_empty()) {
        listener.insert("listener_filters".into(), json!([envoy::tls_inspector()]));
    }
    let (open, matched): (Vec<&Chain>, Vec<&Chain>) =
        chains.into_iter().partition(|c| c.matches_all());
    let matched: Vec<Value> = matched.into_iter().map(Chain::to_envoy).collect();
    match (open.last(), matched.is_empty()) {
        (Some(open), true) => {
            listener.insert("filter_chains".into(), json!([open.to_envoy()]));
        }
        (Some(open), false) => {
            listener.insert("filter_chains".into(), matched.into());
            listener.insert("default_filter_chain".into(), open.to_envoy());
        }
        (None, _) => {
            listener.insert("filter_chains".into(), matched.into());
            listener.insert("default_filter_chain".into(), unmatched(scope));
        }
    }
    Some(listener.into())
}

/// What becomes of connections that no service's chain takes.
fn unmatched(scope: &View<'_>) -> Value {
    json!({
        "name": "PassthroughFilterChain",
        "filter_chain_match": {},
        "filters": [tcp_proxy::to_cluster(scope.unknown_cluster(), None, scope, Direction::Out)],
    })
}
