//! The network filters of a chain that passes bytes on.

use serde_json::{Map, Value, json};

use super::{access_log::Direction, envoy::extension, routes, scope::View};
use crate::{
    api::{destination_rule::DestinationRule, virtual_service::RouteDestination},
    duration,
    objects::Meta,
};

/// A `tcp_proxy` to one cluster, without a log: for what goes nowhere.
pub(crate) fn unlogged(cluster: &str) -> Value {
    proxy(Map::from_iter([
        ("stat_prefix".to_owned(), Value::from(cluster)),
        ("cluster".to_owned(), Value::from(cluster)),
    ]))
}

/// A `tcp_proxy` to one cluster.
pub(crate) fn to_cluster(
    cluster: &str,
    rule: Option<&DestinationRule>,
    scope: &View<'_>,
    direction: Direction,
) -> Value {
    let mut config = Map::new();
    config.insert("stat_prefix".into(), cluster.into());
    config.insert("cluster".into(), cluster.into());
    timeouts(rule, &mut config);
    scope.log().of_connections(direction, &mut config);
    proxy(config)
}

/// A `tcp_proxy` to the destinations of a route. `None` where the route leads nowhere.
pub(crate) fn to_route(
    routes: &[RouteDestination],
    port: u32,
    meta: &Meta,
    scope: &View<'_>,
) -> Option<Value> {
    let first = routes.first()?.destination.as_ref()?;
    let service = scope.service(&first.host);
    let rule = service.as_deref().and_then(|s| scope.outbound_rule(s));
    let rule = rule.as_deref().map(|r| &r.spec);
    if let [_] = routes {
        let cluster = routes::destination_cluster(first, service.as_deref(), port);
        return Some(to_cluster(&cluster, rule, scope, Direction::Out));
    }
    let clusters: Vec<Value> = routes
        .iter()
        .filter(|r| r.weight > 0)
        .filter_map(|r| {
            let destination = r.destination.as_ref()?;
            let service = scope.service(&destination.host);
            let name = routes::destination_cluster(destination, service.as_deref(), port);
            Some(json!({"name": name, "weight": r.weight}))
        })
        .collect();
    let mut config = Map::new();
    config.insert(
        "stat_prefix".into(),
        format!("{}.{}", meta.name, meta.namespace).into(),
    );
    config.insert("weighted_clusters".into(), json!({"clusters": clusters}));
    timeouts(rule, &mut config);
    scope.log().of_connections(Direction::Out, &mut config);
    Some(proxy(config))
}

/// Timeouts of connections come from the whole destination's policy alone, never from a port's.
fn timeouts(rule: Option<&DestinationRule>, config: &mut Map<String, Value>) {
    let pool = rule
        .and_then(|r| r.traffic_policy.as_ref())
        .and_then(|p| p.settings.connection_pool.as_ref());
    let Some(tcp) = pool.and_then(|p| p.tcp.as_ref()) else {
        return;
    };
    for (field, said) in [
        ("idle_timeout", &tcp.idle_timeout),
        (
            "max_downstream_connection_duration",
            &tcp.max_connection_duration,
        ),
    ] {
        if let Some(value) = said.as_deref().and_then(duration::envoy) {
            config.insert(field.into(), value.into());
        }
    }
}

fn proxy(config: Map<String, Value>) -> Value {
    extension(
        "envoy.filters.network.tcp_proxy",
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        config.into(),
    )
}
