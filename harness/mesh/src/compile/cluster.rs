//! Clusters: outbound ones for every port of every visible service, inbound ones for the pod's own
//! (`pilot/pkg/networking/core/cluster_builder.go`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    endpoints::{self, Target},
    envoy,
    memo::Draft,
    routes,
    scope::{OwnPort, Scope, View},
    tls::{self, Upstream},
    traffic_policy,
};
use crate::{
    api::{
        Labels,
        destination_rule::{ConnectionPool, OutlierDetection, Settings, SimpleLb, Subset},
        peer_authentication::Mode,
    },
    duration,
    objects::{
        pod::ProxyKind,
        rules::MergedRule,
        service::{Port, Registry, Resolution, Service},
    },
    protocol::Protocol,
};

/// The outbound clusters of a service, and the endpoints of those that are told theirs.
pub(crate) fn outbound(view: &View<'_>, host: &str) -> Draft {
    let mut draft = Draft::default();
    let found = view.service(host);
    let Some(service) = found.filter(|s| s.resolution != Resolution::Alias) else {
        return draft;
    };
    let rule = view.outbound_rule(&service);
    let rule = rule.as_deref();
    let identities = service.identities(view.mesh());
    for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
        let whole = traffic_policy::for_port(rule, port.number);
        let parts = Parts {
            scope: view,
            service: &service,
            port,
            rule,
            identities: &identities,
        };
        parts.add(None, &whole, &mut draft);
        for subset in rule.iter().flat_map(|r| &r.spec.subsets) {
            let own =
                traffic_policy::for_subset(&whole, subset.traffic_policy.as_ref(), port.number);
            parts.add(Some(subset), &own, &mut draft);
        }
    }
    draft
}

/// What the clusters of one port of a service are made of.
struct Parts<'a> {
    scope: &'a View<'a>,
    service: &'a Service,
    port: &'a Port,
    rule: Option<&'a MergedRule>,
    identities: &'a [String],
}

/// How a cluster finds its hosts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Discovery {
    Eds,
    StrictDns,
    LogicalDns,
    OriginalDst,
}

impl Discovery {
    fn name(self) -> &'static str {
        match self {
            Self::Eds => "EDS",
            Self::StrictDns => "STRICT_DNS",
            Self::LogicalDns => "LOGICAL_DNS",
            Self::OriginalDst => "ORIGINAL_DST",
        }
    }
}

impl Parts<'_> {
    fn add(&self, subset: Option<&Subset>, settings: &Settings, draft: &mut Draft) {
        let name = subset.map_or("", |s| s.name.as_str());
        let cluster = routes::outbound_cluster(name, &self.service.host, self.port.number);
        let none = Labels::new();
        let target = Target {
            service: self.service,
            port: self.port.number,
            subset: name,
            labels: subset.map_or(&none, |s| &s.labels),
            rule: self.rule,
        };
        let discovery = self.discovery(settings);
        let Some(mut value) = self.basics(&cluster, discovery, &target) else {
            return;
        };
        pool(settings.connection_pool.as_ref(), self.scope, &mut value);
        if let Some(outlier) = &settings.outlier_detection {
            outlier_detection(outlier, &mut value);
        }
        balance(settings, discovery, &mut value);
        self.transport(subset, settings, discovery, &mut value);
        let is_sidecar = || self.scope.kind() == ProxyKind::Sidecar;
        http_options(self.port.protocol, is_sidecar, &mut value);
        if discovery == Discovery::Eds {
            draft
                .endpoints
                .push(endpoints::assignment(&cluster, &target, self.scope));
        }
        draft.clusters.push(value.into());
    }

    fn discovery(&self, settings: &Settings) -> Discovery {
        let passes = settings
            .load_balancer
            .as_ref()
            .is_some_and(|l| l.simple == SimpleLb::Passthrough);
        match self.service.resolution {
            _ if passes => Discovery::OriginalDst,
            Resolution::Known | Resolution::Alias => Discovery::Eds,
            Resolution::Dns => Discovery::StrictDns,
            Resolution::DnsRoundRobin => Discovery::LogicalDns,
            // A gateway's connections have no original destination.
            Resolution::Passthrough if self.scope.kind() == ProxyKind::Router => Discovery::Eds,
            Resolution::Passthrough => Discovery::OriginalDst,
        }
    }

    fn basics(
        &self,
        name: &str,
        discovery: Discovery,
        target: &Target<'_>,
    ) -> Option<Map<String, Value>> {
        let mut cluster = basics(name, discovery.name(), self.scope);
        match discovery {
            Discovery::Eds => {
                let source =
                    json!({"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"});
                cluster.insert(
                    "eds_cluster_config".into(),
                    json!({"eds_config": source, "service_name": name}),
                );
                cluster.insert(
                    "common_lb_config".into(),
                    json!({"healthy_panic_threshold": {}}),
                );
            }
            Discovery::StrictDns | Discovery::LogicalDns => {
                cluster.insert("load_assignment".into(), endpoints::inline(name, target)?);
                dns(self.scope, &mut cluster);
            }
            Discovery::OriginalDst => {
                let target = match &self.port.target {
                    crate::objects::service::Target::Number(n) if *n != self.port.number => {
                        Some(*n)
                    }
                    _ => None,
                };
                if let (Some(port), Registry::External) = (target, self.service.registry) {
                    cluster.insert(
                        "original_dst_lb_config".into(),
                        json!({"upstream_port_override": port}),
                    );
                }
            }
        }
        Some(cluster)
    }

    fn transport(
        &self,
        subset: Option<&Subset>,
        settings: &Settings,
        discovery: Discovery,
        cluster: &mut Map<String, Value>,
    ) {
        let name = subset.map_or("", |s| s.name.as_str());
        let upstream = Upstream {
            said: settings.tls.as_ref(),
            rule_has_selector: self
                .rule
                .is_some_and(|r| r.spec.workload_selector.is_some()),
            identities: self.identities,
            own_sni: routes::generated_sni(name, &self.service.host, self.port.number),
            auto: self.auto_mtls(settings),
            is_external: self.service.registry == Registry::External,
            is_http2: self.port.protocol.is_http2(),
            is_original_dst: discovery == Discovery::OriginalDst,
        };
        tls::set_upstream(cluster, self.scope, &upstream);
    }

    /// Whether mesh TLS is used where the endpoint speaks it. Workload policies do not count here: they
    /// are seen in what each endpoint says of itself.
    fn auto_mtls(&self, settings: &Settings) -> bool {
        if self.service.mesh_external || !self.scope.mesh().auto_mtls() {
            return false;
        }
        let passes = settings
            .load_balancer
            .as_ref()
            .is_some_and(|l| l.simple == SimpleLb::Passthrough);
        if passes || self.service.resolution == Resolution::Passthrough {
            let mut found = self
                .service
                .endpoints
                .iter()
                .filter(|e| e.service_port == self.port.number)
                .peekable();
            if found.peek().is_none() || found.any(|e| !e.speaks_mesh_tls) {
                return false;
            }
        }
        self.scope.wide_mode(&self.service.namespace) != Some(Mode::Disable)
    }
}

fn basics(name: &str, discovery: &str, scope: &View<'_>) -> Map<String, Value> {
    Map::from_iter([
        ("name".to_owned(), name.into()),
        ("alt_stat_name".to_owned(), format!("{name};").into()),
        ("type".to_owned(), discovery.into()),
        (
            "connect_timeout".to_owned(),
            scope.mesh().connect_timeout().into(),
        ),
    ])
}

fn dns(scope: &View<'_>, cluster: &mut Map<String, Value>) {
    let resolver = envoy::extension(
        "envoy.network.dns_resolver.cares",
        "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        json!({"udp_max_queries": 100}),
    );
    cluster.insert("dns_lookup_family".into(), "V4_ONLY".into());
    cluster.insert(
        "dns_refresh_rate".into(),
        scope.mesh().dns_refresh_rate().into(),
    );
    cluster.insert("dns_jitter".into(), "0.100s".into());
    cluster.insert("respect_dns_ttl".into(), true.into());
    cluster.insert("typed_dns_resolver_config".into(), resolver);
    cluster.insert(
        "common_lb_config".into(),
        json!({"healthy_panic_threshold": {}}),
    );
}

fn pool(pool: Option<&ConnectionPool>, scope: &View<'_>, cluster: &mut Map<String, Value>) {
    let mut limits = envoy::no_limits();
    let tcp = pool.and_then(|p| p.tcp.as_ref());
    envoy::set_keepalive(scope, tcp.and_then(|t| t.tcp_keepalive.as_ref()), cluster);
    if let Some(tcp) = tcp {
        if let Some(timeout) = tcp.connect_timeout.as_deref().and_then(duration::envoy) {
            cluster.insert("connect_timeout".into(), timeout.into());
        }
        if tcp.max_connections > 0 {
            limits.insert("max_connections".into(), tcp.max_connections.into());
        }
    }
    cluster.insert("circuit_breakers".into(), json!({"thresholds": [limits]}));
}

fn outlier_detection(outlier: &OutlierDetection, cluster: &mut Map<String, Value>) {
    let mut out = Map::new();
    let mut set = |field: &str, value: Value| {
        out.insert(field.into(), value);
    };
    set("enforcing_success_rate", 0.into());
    let enforced = |count: i64| Value::from(if count > 0 { 100 } else { 0 });
    if let Some(count) = outlier.consecutive_5xx_errors {
        set("consecutive_5xx", count.into());
        set("enforcing_consecutive_5xx", enforced(count));
    }
    if let Some(count) = outlier.consecutive_gateway_errors {
        set("consecutive_gateway_failure", count.into());
        set("enforcing_consecutive_gateway_failure", enforced(count));
    }
    for (field, value) in [
        ("interval", &outlier.interval),
        ("base_ejection_time", &outlier.base_ejection_time),
    ] {
        if let Some(value) = value.as_deref().and_then(duration::envoy) {
            set(field, value.into());
        }
    }
    if outlier.max_ejection_percent > 0 {
        set("max_ejection_percent", outlier.max_ejection_percent.into());
    }
    if outlier.split_external_local_origin_errors {
        set("split_external_local_origin_errors", true.into());
        if let Some(count) = outlier.consecutive_local_origin_failures.filter(|c| *c > 0) {
            set("consecutive_local_origin_failure", count.into());
            set("enforcing_consecutive_local_origin_failure", 100.into());
        }
        set("enforcing_local_origin_success_rate", 0.into());
    }
    cluster.insert("outlier_detection".into(), out.into());
    let panic = if outlier.min_health_percent > 0 {
        json!({"value": outlier.min_health_percent})
    } else {
        json!({})
    };
    cluster.insert(
        "common_lb_config".into(),
        json!({"healthy_panic_threshold": panic}),
    );
}

fn balance(settings: &Settings, discovery: Discovery, cluster: &mut Map<String, Value>) {
    let simple = settings
        .load_balancer
        .as_ref()
        .map(|l| l.simple)
        .unwrap_or_default();
    let policy = match simple {
        _ if discovery == Discovery::OriginalDst => "CLUSTER_PROVIDED",
        // Envoy's own default.
        SimpleLb::RoundRobin => return,
        SimpleLb::Random => "RANDOM",
        SimpleLb::Passthrough => "CLUSTER_PROVIDED",
        SimpleLb::Unspecified | SimpleLb::LeastConn | SimpleLb::LeastRequest => "LEAST_REQUEST",
    };
    cluster.insert("lb_policy".into(), policy.into());
}

/// A cluster of an HTTP port says so, for routes that carry TCP through it nothing changes.
fn http_options(
    protocol: Protocol,
    is_sidecar: impl Fn() -> bool,
    cluster: &mut Map<String, Value>,
) {
    let options = if protocol.is_http2() {
        json!({"explicit_http_config": {"http2_protocol_options": {}}})
    } else if protocol.is_unsupported() && is_sidecar() {
        json!({"use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}})
    } else {
        return;
    };
    cluster.insert(
        "typed_extension_protocol_options".into(),
        envoy::http_options(options),
    );
}

/// The clusters of the pod's own ports. The oldest of several services on a port says the settings.
pub(crate) fn inbound(scope: &Scope<'_>) -> Vec<Value> {
    let mut clusters = Vec::new();
    let mut by_port: BTreeMap<u32, OwnPort> = BTreeMap::new();
    for own in scope.own_ports() {
        by_port.entry(own.target).or_insert(own);
    }
    for (target, own) in by_port {
        let name = format!("inbound|{target}||");
        let mut cluster = if scope.mesh().inbound_to_localhost() {
            local(&name, target, scope)
        } else {
            original(&name, scope)
        };
        let settings =
            traffic_policy::for_port(scope.inbound_rule(&own.service).as_deref(), own.port.number);
        pool(settings.connection_pool.as_ref(), scope, &mut cluster);
        http_options(own.port.protocol, || true, &mut cluster);
        clusters.push(cluster.into());
    }
    clusters
}

/// Passes connections on to the address that they came for.
fn original(name: &str, scope: &View<'_>) -> Map<String, Value> {
    let mut cluster = basics(name, "ORIGINAL_DST", scope);
    cluster.insert("lb_policy".into(), "CLUSTER_PROVIDED".into());
    // The largest duration that istiod can say: never.
    cluster.insert("cleanup_interval".into(), "9223372035s".into());
    cluster.insert("upstream_bind_config".into(), envoy::passthrough_bind());
    cluster
}

/// Passes connections on to the loopback address, as with `inboundTrafficPolicy` LOCALHOST.
fn local(name: &str, port: u32, scope: &View<'_>) -> Map<String, Value> {
    let address = envoy::socket_address("127.0.0.1", port);
    let mut cluster = basics(name, "STATIC", scope);
    cluster.insert(
        "load_assignment".into(),
        json!({"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}),
    );
    cluster
}
