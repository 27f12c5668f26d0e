//! The network filters of a chain that passes bytes on.

use serde_json::{Map, Value, json};

use super::{access_log::Direction, envoy::extension, routes, scope::View};
use crate::{
    api::{
        destination_rule::{DestinationRule, TrafficPolicy, Tunnel},
        virtual_service::RouteDestination,
    },
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

/// A `tcp_proxy` to one cluster. The rule is that of the cluster's service.
pub(crate) fn to_cluster(
    cluster: &str,
    rule: Option<&DestinationRule>,
    scope: &View<'_>,
    direction: Direction,
) -> Value {
    to_subset(cluster, "", rule, scope, direction)
}

fn to_subset(
    cluster: &str,
    subset: &str,
    rule: Option<&DestinationRule>,
    scope: &View<'_>,
    direction: Direction,
) -> Value {
    let mut config = Map::new();
    config.insert("stat_prefix".into(), cluster.into());
    config.insert("cluster".into(), cluster.into());
    policies(rule, subset, &mut config);
    scope.log().of_connections(direction, &mut config);
    proxy(config)
}

/// A `tcp_proxy` to the destinations of a route. `None` where the route leads nowhere. What a rule says
/// of connections is that of the first destination.
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
        let proxy = to_subset(&cluster, &first.subset, rule, scope, Direction::Out);
        return Some(proxy);
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
    policies(rule, "", &mut config);
    scope.log().of_connections(Direction::Out, &mut config);
    Some(proxy(config))
}

/// What a rule says of connections themselves (`pilot/pkg/networking/core/networkfilter.go`).
fn policies(rule: Option<&DestinationRule>, subset: &str, config: &mut Map<String, Value>) {
    timeouts(rule, config);
    let Some(rule) = rule else { return };
    if hashes_source(rule, subset) {
        config.insert("hash_policy".into(), json!([{"source_ip": {}}]));
    }
    if let Some(tunnel) = tunnel(rule, subset) {
        let mut said = Map::new();
        let (host, port) = (&tunnel.target_host, tunnel.target_port);
        let target = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        said.insert("hostname".into(), target.into());
        if tunnel.protocol == "POST" {
            said.insert("use_post".into(), true.into());
        }
        config.insert("tunneling_config".into(), said.into());
    }
}

/// Whether connections are told apart by their source. A subset with a load balancer of its own says it
/// itself; settings of a port do not count.
fn hashes_source(rule: &DestinationRule, subset: &str) -> bool {
    let balancer = |p: Option<&TrafficPolicy>| p.and_then(|p| p.settings.load_balancer.clone());
    let own = rule.subsets.iter().find(|s| s.name == subset);
    own.and_then(|s| balancer(s.traffic_policy.as_ref()))
        .or_else(|| balancer(rule.traffic_policy.as_ref()))
        .is_some_and(|l| l.uses_source_ip())
}

/// The tunnel of a subset, or of the destination where no subset is meant.
fn tunnel<'a>(rule: &'a DestinationRule, subset: &str) -> Option<&'a Tunnel> {
    let policy = if subset.is_empty() {
        rule.traffic_policy.as_ref()
    } else {
        let own = rule.subsets.iter().find(|s| s.name == subset)?;
        own.traffic_policy.as_ref()
    };
    policy?.tunnel.as_ref()
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
