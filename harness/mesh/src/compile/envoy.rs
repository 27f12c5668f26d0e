//! Pieces of Envoy's configuration that stand by themselves.

use serde_json::{Map, Value, json};

use super::scope::View;
use crate::{api::destination_rule::TcpKeepalive, duration, protocol::Protocol};

/// An extension: its name and its configuration with the type's name in it.
pub(crate) fn extension(name: &str, type_name: &str, config: Value) -> Value {
    let mut typed = Map::new();
    typed.insert(
        "@type".into(),
        format!("type.googleapis.com/{type_name}").into(),
    );
    if let Value::Object(fields) = config {
        typed.extend(fields);
    }
    json!({"name": name, "typed_config": typed})
}

pub(crate) fn socket_address(address: &str, port: u32) -> Value {
    json!({"socket_address": {"address": address, "port_value": port}})
}

/// Where a server listens: without a port `bind` is the path of a Unix socket.
pub(crate) fn listening_address(bind: &str, port: u32) -> Value {
    if port == 0 {
        return json!({"pipe": {"path": bind.strip_prefix("unix://").unwrap_or(bind)}});
    }
    socket_address(bind, port)
}

/// A number as protobuf's JSON writes it: a whole one without decimals.
pub(crate) fn number(value: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "it is whole and small")]
    if value.fract() == 0.0 && value.abs() < 1e9 {
        (value as i64).into()
    } else {
        value.into()
    }
}

/// A block as Envoy takes it; an address is the block of itself alone.
pub(crate) fn cidr(text: &str) -> Option<Value> {
    let (address, bits) = text.split_once('/').unwrap_or((text, ""));
    let parsed: std::net::IpAddr = address.parse().ok()?;
    let bits = match bits {
        "" if parsed.is_ipv4() => 32,
        "" => 128,
        bits => bits.parse::<u32>().ok()?,
    };
    Some(json!({"address_prefix": parsed.to_string(), "prefix_len": bits}))
}

pub(crate) fn tls_inspector() -> Value {
    extension(
        "envoy.filters.listener.tls_inspector",
        "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
        json!({"initial_read_buffer_size": 512}),
    )
}

pub(crate) fn http_inspector() -> Value {
    extension(
        "envoy.filters.listener.http_inspector",
        "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
        json!({}),
    )
}

pub(crate) fn original_dst() -> Value {
    extension(
        "envoy.filters.listener.original_dst",
        "envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
        json!({}),
    )
}

pub(crate) fn raw_buffer() -> Value {
    extension(
        "envoy.transport_sockets.raw_buffer",
        "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
        json!({}),
    )
}

/// The filters that Istio sets before a `tcp_proxy` for what it carries: one that reads Mongo's protocol
/// for its statistics. Those for Redis and MySQL are off by default (`pilot/pkg/features/xds.go`).
pub(crate) fn before_tcp_proxy(protocol: Protocol, tcp_proxy: &Value) -> Option<Value> {
    (protocol == Protocol::Mongo).then(|| {
        extension(
            "envoy.filters.network.mongo_proxy",
            "envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy",
            json!({"stat_prefix": tcp_proxy["typed_config"]["stat_prefix"]}),
        )
    })
}

/// Keep-alive of connections: the mesh's, and over it a rule's, field by field.
pub(crate) fn set_keepalive(
    scope: &View<'_>,
    own: Option<&TcpKeepalive>,
    cluster: &mut Map<String, Value>,
) {
    let said: Vec<&TcpKeepalive> = scope
        .mesh()
        .tcp_keepalive()
        .into_iter()
        .chain(own)
        .collect();
    if said.is_empty() {
        return;
    }
    let seconds = |t: &Option<String>| {
        let nanos = t.as_deref().and_then(duration::parse)?;
        i64::try_from(nanos / 1_000_000_000).ok()
    };
    let mut config = Map::new();
    for keepalive in said {
        for (field, value) in [
            (
                "keepalive_probes",
                Some(keepalive.probes).filter(|p| *p > 0),
            ),
            ("keepalive_time", seconds(&keepalive.time)),
            ("keepalive_interval", seconds(&keepalive.interval)),
        ] {
            if let Some(value) = value {
                config.insert(field.into(), value.into());
            }
        }
    }
    cluster.insert(
        "upstream_connection_options".into(),
        json!({"tcp_keepalive": config}),
    );
}

/// Envoy's circuit breakers are switched off by their largest value.
pub(crate) fn no_limits() -> Map<String, Value> {
    let most = u32::MAX;
    let Value::Object(limits) = json!({"max_connections": most, "max_pending_requests": most, "max_requests": most, "max_retries": most})
    else {
        return Map::new();
    };
    limits
}

/// The address that a sidecar's connections to its own application come from.
pub(crate) fn passthrough_bind() -> Value {
    json!({"source_address": {"address": "127.0.0.6", "port_value": 0}})
}

pub(crate) fn black_hole_cluster(scope: &View<'_>) -> Value {
    json!({
        "name": "BlackHoleCluster",
        "alt_stat_name": "BlackHoleCluster;",
        "type": "STATIC",
        "connect_timeout": scope.mesh().connect_timeout(),
    })
}

pub(crate) fn passthrough_cluster(scope: &View<'_>) -> Value {
    original_dst_cluster("PassthroughCluster", scope)
}

pub(crate) fn inbound_passthrough_cluster(scope: &View<'_>) -> Value {
    let mut cluster = original_dst_cluster("InboundPassthroughCluster", scope);
    cluster["upstream_bind_config"] = passthrough_bind();
    cluster
}

fn original_dst_cluster(name: &str, scope: &View<'_>) -> Value {
    let mut cluster = Map::from_iter([
        ("name".to_owned(), name.into()),
        ("alt_stat_name".to_owned(), "PassthroughCluster;".into()),
        ("type".to_owned(), "ORIGINAL_DST".into()),
        (
            "connect_timeout".to_owned(),
            scope.mesh().connect_timeout().into(),
        ),
        ("lb_policy".to_owned(), "CLUSTER_PROVIDED".into()),
        (
            "circuit_breakers".to_owned(),
            json!({"thresholds": [no_limits()]}),
        ),
    ]);
    set_keepalive(scope, None, &mut cluster);
    cluster.into()
}

/// HTTP options of a cluster, for the ports that speak it.
pub(crate) fn http_options(options: Value) -> Value {
    let name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let mut typed = Map::new();
    typed.insert("@type".into(), format!("type.googleapis.com/{name}").into());
    if let Value::Object(fields) = options {
        typed.extend(fields);
    }
    json!({name: typed})
}
