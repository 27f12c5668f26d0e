//! A sidecar's outbound listeners (`pilot/pkg/networking/core/listener.go`, `tls.go`).

mod building;
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
use crate::objects::service::UNSPECIFIED;
use building::Entry;
use chains::{Chain, Takes};
pub(crate) use places::{Places, Tenant, places};

/// The port that outbound connections are redirected to.
const OUTBOUND_PORT: u32 = 15001;
const INBOUND_PORT: u32 = 15006;

/// The listener that takes what no other does.
pub(crate) fn virtual_outbound(scope: &View<'_>) -> Value {
    let unknown = unknown(scope);
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
pub(crate) fn listener(view: &View<'_>, bind: &str, port: u32) -> Draft {
    let mut draft = Draft::default();
    let tenants = view.tenants(bind, port);
    let (entry, conflicts) = building::build(view, bind, port, &tenants);
    draft.conflicts = conflicts;
    let Some(entry) = entry else { return draft };
    if entry.chains.iter().any(Chain::is_http) {
        draft.http.push(HttpPlace {
            address: entry.bind.clone(),
            port,
        });
    }
    draft.listeners.extend(finish(&entry, view));
    draft
}

/// The listener of an entry; `None` where it is for HTTP alone.
fn finish(entry: &Entry, scope: &View<'_>) -> Option<Value> {
    if entry.chains.iter().all(Chain::is_http) {
        return None;
    }
    let chains: Vec<&Chain> = entry
        .chains
        .iter()
        .filter(|c| c.takes != Takes::AllAsHttp)
        .collect();
    let mut listener = Map::new();
    listener.insert(
        "name".into(),
        format!("{}_{}", entry.bind, entry.port).into(),
    );
    listener.insert("address".into(), socket_address(&entry.bind, entry.port));
    listener.insert("traffic_direction".into(), "OUTBOUND".into());
    if !entry.binds_port {
        listener.insert("bind_to_port".into(), false.into());
    }
    listener.insert("continue_on_listener_filters_timeout".into(), true.into());
    let mut inspectors = Vec::new();
    if chains.iter().any(|c| !c.server_names.is_empty()) {
        inspectors.push(envoy::tls_inspector());
    }
    // An inspector of first bytes waits for the client's, as long as the mesh says; without it nothing waits.
    let mut timeout = "0s".to_owned();
    if chains.iter().any(|c| c.takes == Takes::SniffedHttp) {
        inspectors.push(envoy::http_inspector());
        timeout = scope.mesh().protocol_detection_timeout();
    }
    listener.insert("listener_filters_timeout".into(), timeout.into());
    if !inspectors.is_empty() {
        listener.insert("listener_filters".into(), inspectors.into());
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
        "filters": [unknown(scope)],
    })
}

fn unknown(scope: &View<'_>) -> Value {
    tcp_proxy::to_cluster(scope.unknown_cluster(), None, scope, Direction::Out)
}
