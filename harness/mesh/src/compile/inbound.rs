//! A sidecar's inbound listener (`pilot/pkg/networking/core/listener_inbound.go`).

use serde_json::{Map, Value, json};

use super::{
    access_log::Direction,
    envoy::{self, socket_address},
    inspectors::{self, ByPort},
    mtls, rbac,
    scope::{OwnPort, Scope},
    tcp_proxy, tls,
};
use crate::{
    api::{peer_authentication::Mode, sidecar::Ingress},
    objects::service::UNSPECIFIED,
    protocol::Protocol,
};

/// The port that inbound connections are redirected to.
const INBOUND_PORT: u32 = 15006;

/// ALPN of mesh TLS, of all kinds.
const MESH_ALPN: &[&str] = &[
    "istio",
    "istio-peer-exchange",
    "istio-http/1.0",
    "istio-http/1.1",
    "istio-h2",
];
const MESH_HTTP_ALPN: &[&str] = &["istio-http/1.0", "istio-http/1.1", "istio-h2"];
const MESH_TCP_ALPN: &[&str] = &["istio-peer-exchange", "istio"];
const PLAIN_HTTP_ALPN: &[&str] = &["http/1.1", "h2c"];

/// What kinds of connections a port takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Tcp,
    Http,
    /// Found out per connection.
    Either,
}

/// One way into a port.
struct Way {
    alpn: &'static [&'static str],
    transport: &'static str,
    is_http: bool,
    terminates: bool,
}

const fn way(
    alpn: &'static [&'static str],
    transport: &'static str,
    is_http: bool,
    terminates: bool,
) -> Way {
    Way {
        alpn,
        transport,
        is_http,
        terminates,
    }
}

/// The ways into a port, in Istio's order (`filterchain_options.go`).
fn ways(speaks: Speaks, mode: Mode) -> Vec<Way> {
    match (speaks, mode) {
        (Speaks::Tcp, Mode::Strict) => vec![way(&[], "tls", false, true)],
        (Speaks::Tcp, Mode::Permissive) => vec![
            way(MESH_ALPN, "tls", false, true),
            way(&[], "tls", false, false),
            way(&[], "raw_buffer", false, false),
        ],
        (Speaks::Tcp, _) => vec![way(&[], "raw_buffer", false, false)],
        (Speaks::Http, Mode::Strict) => vec![way(&[], "tls", true, true)],
        (Speaks::Http, Mode::Permissive) => {
            vec![
                way(MESH_ALPN, "tls", true, true),
                way(&[], "raw_buffer", true, false),
            ]
        }
        (Speaks::Http, _) => vec![way(&[], "raw_buffer", true, false)],
        (Speaks::Either, Mode::Strict) => {
            vec![
                way(MESH_HTTP_ALPN, "tls", true, true),
                way(&[], "tls", false, true),
            ]
        }
        (Speaks::Either, Mode::Permissive) => vec![
            way(MESH_HTTP_ALPN, "tls", true, true),
            way(PLAIN_HTTP_ALPN, "raw_buffer", true, false),
            way(MESH_TCP_ALPN, "tls", false, true),
            way(&[], "raw_buffer", false, false),
            way(&[], "tls", false, false),
        ],
        (Speaks::Either, _) => {
            vec![
                way(PLAIN_HTTP_ALPN, "raw_buffer", true, false),
                way(&[], "raw_buffer", false, false),
            ]
        }
    }
}

/// A group of chains that lead to one cluster.
struct Entry {
    /// `None` for every port that no other entry names.
    port: Option<u32>,
    cluster: String,
    name: String,
    protocol: Protocol,
    mode: Mode,
}

/// The listener that all inbound connections are redirected to.
///
/// Its HTTP chains are left out; the inspectors are those that Istio sets with them, so that the other
/// chains see what they would see.
pub(crate) fn virtual_inbound(scope: &Scope<'_>) -> Value {
    let mut chains = vec![black_hole()];
    let mut needs = ByPort::new();
    needs.entry(INBOUND_PORT).or_default();
    let access = rbac::filters(scope);
    for entry in entries(scope) {
        for way in ways(speaks(entry.protocol), entry.mode) {
            let need = needs.entry(entry.port.unwrap_or(0)).or_default();
            need.tls |= way.transport == "tls";
            need.http |= way.alpn == PLAIN_HTTP_ALPN;
            if !way.is_http {
                chains.push(chain(&entry, &way, scope, &access));
            }
        }
    }
    let mut listener = Map::new();
    listener.insert("name".into(), "virtualInbound".into());
    listener.insert("address".into(), socket_address("0.0.0.0", INBOUND_PORT));
    listener.insert("traffic_direction".into(), "INBOUND".into());
    listener.insert("filter_chains".into(), chains.into());
    listener.insert(
        "listener_filters".into(),
        inspectors::filters(&needs).into(),
    );
    listener.insert(
        "listener_filters_timeout".into(),
        scope.mesh().protocol_detection_timeout().into(),
    );
    listener.insert("continue_on_listener_filters_timeout".into(), true.into());
    listener.insert(
        "max_connections_to_accept_per_socket_event".into(),
        1.into(),
    );
    scope.log().of_listener(Direction::In, &mut listener);
    listener.into()
}

fn entries(scope: &Scope<'_>) -> Vec<Entry> {
    let policy = scope.policy();
    let (own, said) = (scope.own_ports(), scope.ingress());
    let known: Vec<u32> = if said.is_empty() {
        own.iter().map(|o| o.target).collect()
    } else {
        said.iter().map(Ingress::number).collect()
    };
    let mut entries = vec![passthrough(None, policy.mode)];
    for (port, mode) in &policy.ports {
        if !known.contains(port) {
            entries.push(passthrough(Some(*port), *mode));
        }
    }
    if said.is_empty() {
        entries.extend(own_entries(own, &policy));
    } else {
        entries.extend(said_entries(&said, scope, &policy));
    }
    entries
}

fn passthrough(port: Option<u32>, mode: Mode) -> Entry {
    Entry {
        port,
        cluster: "InboundPassthroughCluster".into(),
        name: "virtualInbound".into(),
        protocol: Protocol::Unsupported,
        mode,
    }
}

/// Ports of the proxy itself: what it captures, and where it tells of its state
/// (`pilot/pkg/model/context.go`). Their connections are passed through like those to unknown ports.
const OWN_PORTS: &[u32] = &[15001, INBOUND_PORT, 15021, 15090];
/// Those of them where it tells of its state.
const STATUS_PORTS: &[u32] = &[15021, 15090];

/// One entry for each port of the pod that a service leads to; the oldest service says the protocol.
/// UDP is not told from TCP here (`ModelProtocolToListenerProtocol` in `pilot/pkg/networking/networking.go`).
fn own_entries(ports: Vec<OwnPort>, policy: &mtls::Policy) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for own in ports {
        if OWN_PORTS.contains(&own.target) || entries.iter().any(|e| e.port == Some(own.target)) {
            continue;
        }
        entries.push(Entry {
            port: Some(own.target),
            cluster: format!("inbound|{}||", own.target),
            name: format!("0.0.0.0_{}", own.target),
            protocol: own.port.protocol,
            mode: policy.for_port(own.target),
        });
    }
    entries.sort_by_key(|e| e.port);
    entries
}

/// One entry for each port that a `Sidecar` says is accepted; nothing of a service's counts then.
fn said_entries(said: &[Ingress], scope: &Scope<'_>, policy: &mtls::Policy) -> Vec<Entry> {
    let own = scope.address();
    let mut entries: Vec<Entry> = said
        .iter()
        .filter(|i| !is_reserved(i))
        .map(|ingress| {
            let port = ingress.number();
            let address = match (ingress.bind.as_str(), own.as_str()) {
                ("", "") => UNSPECIFIED,
                ("", own) => own,
                (bind, _) => bind,
            };
            Entry {
                port: Some(port),
                cluster: format!("inbound|{port}||"),
                name: format!("{address}_{port}"),
                protocol: ingress.protocol(),
                mode: policy.for_port(port),
            }
        })
        .collect();
    entries.sort_by_key(|e| e.port);
    entries
}

/// Whether the proxy tells of its state there. What is captured is not looked at, as little as where a
/// listener for TCP does not say its address.
fn is_reserved(ingress: &Ingress) -> bool {
    let bind = ingress.bind.as_str();
    let anywhere = bind == UNSPECIFIED || (bind.is_empty() && ingress.protocol().is_http());
    anywhere && STATUS_PORTS.contains(&ingress.number())
}

fn speaks(protocol: Protocol) -> Speaks {
    if protocol.is_unsupported() {
        Speaks::Either
    } else if protocol.is_http() {
        Speaks::Http
    } else {
        Speaks::Tcp
    }
}

/// Connections to the listener's own port would go round in circles.
fn black_hole() -> Value {
    json!({
        "name": "virtualInbound-blackhole",
        "filter_chain_match": {"destination_port": INBOUND_PORT},
        "filters": [tcp_proxy::unlogged("BlackHoleCluster")],
    })
}

fn chain(entry: &Entry, way: &Way, scope: &Scope<'_>, access: &[Value]) -> Value {
    let mut matches = Map::new();
    if let Some(port) = entry.port {
        matches.insert("destination_port".into(), port.into());
    }
    if !way.alpn.is_empty() {
        matches.insert("application_protocols".into(), json!(way.alpn));
    }
    matches.insert("transport_protocol".into(), way.transport.into());
    let last = tcp_proxy::to_cluster(&entry.cluster, None, scope, Direction::In);
    let mut filters = access.to_vec();
    filters.extend(envoy::before_tcp_proxy(entry.protocol, &last));
    filters.push(last);
    let mut chain = Map::new();
    chain.insert("name".into(), entry.name.clone().into());
    chain.insert("filter_chain_match".into(), matches.into());
    chain.insert("filters".into(), filters.into());
    if way.terminates {
        chain.insert("transport_socket".into(), tls::mesh_server(scope));
    }
    chain.into()
}
