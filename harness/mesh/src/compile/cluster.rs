//! Clusters: outbound ones for every port of every visible service, inbound ones for the pod's own
//! (`pilot/pkg/networking/core/cluster_builder.go`).

mod balance;
mod inbound;
mod limits;

use serde_json::{Map, Value, json};

pub(crate) use inbound::inbound;

use super::{
    endpoints::{self, Told},
    envoy,
    memo::Draft,
    routes,
    scope::View,
    tls::{self, Upstream},
    traffic_policy::{self, Effective},
};
use crate::{
    api::{
        Labels,
        destination_rule::{ConnectionPool, H2Upgrade, SimpleLb, Subset, TrafficPolicy},
        peer_authentication::Mode,
    },
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
    let lost = rule.into_iter().flat_map(|r| &r.conflicts);
    draft.conflicts.extend(lost.cloned());
    for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
        let parts = Parts {
            scope: view,
            service: &service,
            port,
            rule,
        };
        parts.add_all(&mut draft);
    }
    draft
}

/// What the clusters of one port of a service are made of.
struct Parts<'a> {
    scope: &'a View<'a>,
    service: &'a Service,
    port: &'a Port,
    rule: Option<&'a MergedRule>,
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

/// What HTTP a cluster would speak. TCP goes through it all the same; mesh TLS offers HTTP/2 with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Http {
    Unsaid,
    Two,
    AsClient,
}

impl Parts<'_> {
    /// The cluster of the whole port, and one for each subset. A subset is found as the whole port is,
    /// after its policy has been heard.
    fn add_all(&self, draft: &mut Draft) {
        let rule = self.rule.map(|r| &r.spec);
        let policy = rule.and_then(|r| r.traffic_policy.as_ref());
        let whole = traffic_policy::for_port(rule, self.port.number);
        let Some(discovery) = self.add(None, policy, &whole, self.discovery(), draft) else {
            return;
        };
        for subset in rule.iter().flat_map(|r| &r.subsets) {
            let policy = subset.traffic_policy.as_ref();
            let own = traffic_policy::for_subset(&whole, policy, self.port.number);
            let discovery = if traffic_policy::passes_on(policy) {
                Discovery::OriginalDst
            } else {
                discovery
            };
            self.add(Some(subset), policy, &own, discovery, draft);
        }
    }

    /// Adds one cluster, and says how it finds its hosts in the end; `None` where there can be none, for
    /// want of hosts to write into it.
    fn add(
        &self,
        subset: Option<&Subset>,
        policy: Option<&TrafficPolicy>,
        effective: &Effective,
        built_as: Discovery,
        draft: &mut Draft,
    ) -> Option<Discovery> {
        let name = subset.map_or("", |s| s.name.as_str());
        let cluster = routes::outbound_cluster(name, &self.service.host, self.port.number);
        let none = Labels::new();
        let settings = &effective.settings;
        let balancer = settings.load_balancer.as_ref();
        let told = Told {
            service: self.service,
            port: self.port,
            subset: name,
            labels: subset.map_or(&none, |s| &s.labels),
            rule: self.rule,
            spread: balancer
                .and_then(|l| l.locality_lb_setting.as_ref())
                .unwrap_or(self.scope.mesh().locality_lb()),
            sees_failures: settings.outlier_detection.is_some(),
            unready_too: settings
                .outlier_detection
                .as_ref()
                .is_none_or(|o| o.min_health_percent <= 0),
        };
        let mut value = self.basics(&cluster, built_as, &told)?;
        limits::set_pool(
            settings.connection_pool.as_ref(),
            effective.retry_budget.as_ref(),
            self.scope,
            &mut value,
        );
        if let Some(outlier) = &settings.outlier_detection {
            limits::set_outlier_detection(outlier, &mut value);
        }
        let passes = balancer.is_some_and(|l| l.simple == SimpleLb::Passthrough);
        let discovery = if passes {
            Discovery::OriginalDst
        } else {
            built_as
        };
        finish_discovery(&cluster, discovery, &mut value);
        balance::set_places(told.spread, told.sees_failures, &mut value);
        balance::set(balancer, discovery, &mut value);
        let is_sidecar = || self.scope.kind() == ProxyKind::Sidecar;
        let pool = settings.connection_pool.as_ref();
        let http = http(self.port.protocol, is_sidecar, pool);
        let upstream = self.upstream(name, policy, effective, http, discovery);
        tls::set_upstream(&mut value, self.scope, &upstream);
        http_options(http, &mut value);
        if discovery == Discovery::Eds {
            let assignment = endpoints::assignment(&cluster, &told, self.scope);
            draft.endpoints.push(assignment);
        }
        draft.clusters.push(value.into());
        Some(discovery)
    }

    fn upstream<'e>(
        &'e self,
        subset: &str,
        policy: Option<&TrafficPolicy>,
        effective: &'e Effective,
        http: Http,
        discovery: Discovery,
    ) -> Upstream<'e> {
        Upstream {
            said: effective.settings.tls.as_ref(),
            rule_has_selector: self.rule.is_some_and(|r| r.selector().is_some()),
            identities: &self.service.pool.identities,
            own_sni: routes::generated_sni(subset, &self.service.host, self.port.number),
            auto: self.auto_mtls(policy),
            is_external: self.service.registry == Registry::External,
            is_http2: http == Http::Two,
            is_original_dst: discovery == Discovery::OriginalDst,
            proxy_protocol: effective.proxy_protocol,
        }
    }

    fn discovery(&self) -> Discovery {
        match self.service.resolution {
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
        built_as: Discovery,
        told: &Told<'_>,
    ) -> Option<Map<String, Value>> {
        let mut cluster = basics(name, self.scope);
        match built_as {
            Discovery::Eds => {}
            Discovery::StrictDns | Discovery::LogicalDns => {
                let hosts = endpoints::inline(name, told, self.scope)?;
                cluster.insert("load_assignment".into(), hosts);
                dns(self.scope, &mut cluster);
            }
            Discovery::OriginalDst => {
                if let Some(port) = self.port.passed_to {
                    let config = json!({"upstream_port_override": port});
                    cluster.insert("original_dst_lb_config".into(), config);
                }
            }
        }
        if built_as != Discovery::OriginalDst {
            let config = json!({"healthy_panic_threshold": {}});
            cluster.insert("common_lb_config".into(), config);
        }
        Some(cluster)
    }

    /// Whether mesh TLS is used where the endpoint speaks it. Workload policies do not count here: they
    /// are seen in what each endpoint says of itself. `policy` is what is said for the destination, or
    /// for the subset alone.
    fn auto_mtls(&self, policy: Option<&TrafficPolicy>) -> bool {
        if self.service.mesh_external || !self.scope.mesh().auto_mtls() {
            return false;
        }
        let passes = traffic_policy::passes_on(policy);
        if passes || self.service.resolution == Resolution::Passthrough {
            let any = Labels::new();
            let mut found = self.service.pool.written(self.port, &any).peekable();
            if found.peek().is_none() || found.any(|e| !e.speaks_mesh_tls) {
                return false;
            }
        }
        self.scope.wide_mode(&self.service.namespace) != Some(Mode::Disable)
    }
}

fn basics(name: &str, scope: &View<'_>) -> Map<String, Value> {
    Map::from_iter([
        ("name".to_owned(), name.into()),
        ("alt_stat_name".to_owned(), format!("{name};").into()),
        (
            "connect_timeout".to_owned(),
            scope.mesh().connect_timeout().into(),
        ),
    ])
}

/// What is left where a policy has made a cluster pass connections on: no hosts of its own.
fn finish_discovery(name: &str, discovery: Discovery, cluster: &mut Map<String, Value>) {
    cluster.insert("type".into(), discovery.name().into());
    match discovery {
        Discovery::Eds => {
            let source =
                json!({"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"});
            cluster.insert(
                "eds_cluster_config".into(),
                json!({"eds_config": source, "service_name": name}),
            );
        }
        Discovery::OriginalDst => {
            cluster.remove("load_assignment");
        }
        Discovery::StrictDns | Discovery::LogicalDns => {}
    }
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
}

/// A port's protocol says it first; then the pool, which cannot turn a port whose protocol is found out
/// per connection into HTTP/2 alone.
fn http(protocol: Protocol, is_sidecar: impl Fn() -> bool, pool: Option<&ConnectionPool>) -> Http {
    let said = pool.and_then(|p| p.http.as_ref());
    if said.is_some_and(|h| h.use_client_protocol) {
        return Http::AsClient;
    }
    if protocol.is_http2() {
        return Http::Two;
    }
    if protocol.is_unsupported() && is_sidecar() {
        return Http::AsClient;
    }
    if said.is_some_and(|h| h.h2_upgrade_policy == H2Upgrade::Upgrade) {
        return Http::Two;
    }
    Http::Unsaid
}

fn http_options(http: Http, cluster: &mut Map<String, Value>) {
    let options = match http {
        Http::Unsaid => return,
        Http::Two => json!({"explicit_http_config": {"http2_protocol_options": {}}}),
        Http::AsClient => json!({"use_downstream_protocol_config":
            {"http_protocol_options": {}, "http2_protocol_options": {}}}),
    };
    cluster.insert(
        "typed_extension_protocol_options".into(),
        envoy::http_options(options),
    );
}
