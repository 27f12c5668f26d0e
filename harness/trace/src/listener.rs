//! Which listener takes a connection, and what its filters look at before a chain is chosen.

use std::net::IpAddr;

use meshproof_mesh::ProxyConfig;
use serde_json::Value;

/// The port that a sidecar's inbound connections are redirected to.
const VIRTUAL_INBOUND: &str = "virtualInbound";
const VIRTUAL_OUTBOUND: &str = "virtualOutbound";

/// The listener of a sidecar for a captured connection: that of the original destination, of its port on
/// any address, or the one that catches all (Envoy, listener filter `original_dst`).
pub(crate) fn outbound(config: &ProxyConfig, to: IpAddr, port: u16) -> Option<&Value> {
    bound(config, &to.to_string(), port)
        .or_else(|| bound(config, any(to), port))
        .or_else(|| named(config, VIRTUAL_OUTBOUND))
}

/// The listener of a sidecar for connections to its pod.
pub(crate) fn inbound(config: &ProxyConfig) -> Option<&Value> {
    named(config, VIRTUAL_INBOUND)
}

/// The listener of a gateway on a port.
pub(crate) fn gateway(config: &ProxyConfig, to: IpAddr, port: u16) -> Option<&Value> {
    bound(config, &to.to_string(), port).or_else(|| bound(config, any(to), port))
}

fn any(to: IpAddr) -> &'static str {
    if to.is_ipv4() { "0.0.0.0" } else { "::" }
}

fn named<'a>(config: &'a ProxyConfig, name: &str) -> Option<&'a Value> {
    let mut all = config.listeners.iter().map(AsRef::as_ref);
    all.find(|l: &&Value| l["name"] == name)
}

fn bound<'a>(config: &'a ProxyConfig, address: &str, port: u16) -> Option<&'a Value> {
    let at = |l: &&Value| {
        let socket = &l["address"]["socket_address"];
        socket["address"] == address && socket["port_value"] == port
    };
    config.listeners.iter().map(AsRef::as_ref).find(at)
}

/// Whether a port is one where Istio would speak HTTP; the embedded mesh does not.
pub(crate) fn speaks_http(config: &ProxyConfig, to: IpAddr, port: u16) -> bool {
    let (address, any) = (to.to_string(), any(to));
    let here = |p: &meshproof_mesh::HttpPlace| {
        p.port == u32::from(port) && (p.address == address || p.address == any)
    };
    config.http.iter().any(here)
}

/// What a listener looks at before it chooses a chain.
pub(crate) struct Inspection {
    /// Whether it looks for TLS, and so waits for the first bytes.
    pub(crate) tls: bool,
    /// Whether it looks for HTTP, and so waits for the first bytes of what is no TLS.
    pub(crate) http: bool,
    /// How long it waits, where it goes on after that; `None` waits until the end.
    pub(crate) gives_up: Option<String>,
}

/// The inspection of connections to a port.
pub(crate) fn inspection(listener: &Value, port: u16) -> Inspection {
    let filters = listener["listener_filters"].as_array();
    let looks = |name: &str| {
        let mut own = filters.into_iter().flatten();
        own.any(|f| f["name"].as_str().is_some_and(|n| n.ends_with(name)) && !is_off(f, port))
    };
    let timeout = listener["listener_filters_timeout"].as_str();
    let ends = timeout.filter(|t| {
        t.trim_end_matches('s')
            .parse::<f64>()
            .is_ok_and(|s| s > 0.0)
    });
    Inspection {
        tls: looks("tls_inspector"),
        http: looks("http_inspector"),
        gives_up: ends
            .filter(|_| listener["continue_on_listener_filters_timeout"] == true)
            .map(str::to_owned),
    }
}

fn is_off(filter: &Value, port: u16) -> bool {
    let predicate = &filter["filter_disabled"];
    !predicate.is_null() && holds(predicate, port)
}

/// `ListenerFilterChainMatchPredicate`, as far as Istio writes it.
fn holds(predicate: &Value, port: u16) -> bool {
    let rules = |field: &str| predicate[field]["rules"].as_array().into_iter().flatten();
    if let Some(range) = predicate.get("destination_port_range") {
        let bound = |field: &str| range[field].as_u64().unwrap_or_default();
        return (bound("start")..bound("end")).contains(&u64::from(port));
    }
    if let Some(inner) = predicate.get("not_match") {
        return !holds(inner, port);
    }
    if predicate.get("and_match").is_some() {
        return rules("and_match").all(|r| holds(r, port));
    }
    if predicate.get("or_match").is_some() {
        return rules("or_match").any(|r| holds(r, port));
    }
    predicate["any_match"] == true
}
