//! The part of a `DestinationRule` that holds for one port of one subset.

use crate::api::destination_rule::{
    ClientTlsMode, DestinationRule, ProxyProtocol, RetryBudget, Settings, SimpleLb, TrafficPolicy,
};

/// What holds for one cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effective {
    pub(crate) settings: Settings,
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    pub(crate) retry_budget: Option<RetryBudget>,
}

/// Settings of the whole destination for a port: what is said for the port replaces all that is said
/// for the destination, also where it says nothing (`GetPortLevelTrafficPolicy` in
/// `pilot/pkg/networking/util/util.go`).
pub(crate) fn for_port(rule: Option<&DestinationRule>, port: u32) -> Effective {
    rule.and_then(|r| r.traffic_policy.as_ref())
        .map(|p| port_level(p, port).0)
        .unwrap_or_default()
}

/// The same for a subset, over what holds for the destination (`MergeSubsetTrafficPolicy`).
pub(crate) fn for_subset(over: &Effective, subset: Option<&TrafficPolicy>, port: u32) -> Effective {
    let Some(policy) = subset else {
        return over.clone();
    };
    let (own, is_for_port) = port_level(policy, port);
    let base = over.settings.clone();
    let settings = if is_for_port {
        own.settings
    } else {
        let own = own.settings;
        Settings {
            load_balancer: own.load_balancer.or(base.load_balancer),
            connection_pool: own.connection_pool.or(base.connection_pool),
            outlier_detection: own.outlier_detection.or(base.outlier_detection),
            tls: own.tls.or(base.tls),
        }
    };
    Effective {
        settings,
        proxy_protocol: own.proxy_protocol.or(over.proxy_protocol),
        retry_budget: own.retry_budget.or_else(|| over.retry_budget.clone()),
    }
}

fn port_level(policy: &TrafficPolicy, port: u32) -> (Effective, bool) {
    let said = policy
        .port_level_settings
        .iter()
        .flatten()
        .find(|p| is_port(p.port.as_ref(), port));
    if let Some(own) = said {
        let settings = own.settings.clone();
        return (
            Effective {
                settings,
                ..Effective::default()
            },
            true,
        );
    }
    let whole = Effective {
        settings: policy.settings.clone(),
        proxy_protocol: policy.proxy_protocol,
        retry_budget: policy.retry_budget.clone(),
    };
    (whole, false)
}

fn is_port(selector: Option<&crate::api::PortSelector>, port: u32) -> bool {
    selector.is_some_and(|s| s.number == i64::from(port))
}

/// Whether a policy says, for the whole destination, that connections are passed on to where they went.
pub(crate) fn passes_on(policy: Option<&TrafficPolicy>) -> bool {
    let balancer = policy.and_then(|p| p.settings.load_balancer.as_ref());
    balancer.is_some_and(|l| l.simple == SimpleLb::Passthrough)
}

/// The TLS mode that a rule asks for at a port, which decides whether endpoints count as speaking mesh
/// TLS. Here, unlike above, what is said for the destination holds where the port says nothing.
pub(crate) fn tls_mode(rule: &DestinationRule, subset: &str, port: u32) -> Option<ClientTlsMode> {
    let whole = rule.traffic_policy.as_ref();
    if subset.is_empty() {
        return mode(whole, port);
    }
    let found = rule.subsets.iter().find(|s| s.name == subset)?;
    mode(found.traffic_policy.as_ref(), port).or_else(|| mode(whole, port))
}

fn mode(policy: Option<&TrafficPolicy>, port: u32) -> Option<ClientTlsMode> {
    let policy = policy?;
    let own = policy
        .port_level_settings
        .iter()
        .flatten()
        .filter(|p| is_port(p.port.as_ref(), port))
        .find_map(|p| p.settings.tls.as_ref());
    own.or(policy.settings.tls.as_ref()).map(|t| t.mode)
}
