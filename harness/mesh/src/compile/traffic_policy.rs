//! The part of a `DestinationRule` that holds for one port of one subset.

use crate::{
    api::destination_rule::{ClientTlsMode, DestinationRule, Settings, TrafficPolicy},
    objects::rules::MergedRule,
};

/// Settings of the whole destination for a port: what is said for the port replaces all that is said
/// for the destination, also where it says nothing.
pub(crate) fn for_port(rule: Option<&MergedRule>, port: u32) -> Settings {
    rule.and_then(|r| r.spec.traffic_policy.as_ref())
        .map(|p| port_level(p, port).0)
        .unwrap_or_default()
}

/// The same for a subset, over what holds for the destination.
pub(crate) fn for_subset(over: &Settings, subset: Option<&TrafficPolicy>, port: u32) -> Settings {
    let Some(policy) = subset else {
        return over.clone();
    };
    let (own, is_for_port) = port_level(policy, port);
    if is_for_port {
        return own;
    }
    Settings {
        load_balancer: own.load_balancer.or_else(|| over.load_balancer.clone()),
        connection_pool: own.connection_pool.or_else(|| over.connection_pool.clone()),
        outlier_detection: own
            .outlier_detection
            .or_else(|| over.outlier_detection.clone()),
        tls: own.tls.or_else(|| over.tls.clone()),
    }
}

fn port_level(policy: &TrafficPolicy, port: u32) -> (Settings, bool) {
    let said = policy
        .port_level_settings
        .iter()
        .flatten()
        .find(|p| is_port(p.port.as_ref(), port));
    match said {
        Some(own) => (own.settings.clone(), true),
        None => (policy.settings.clone(), false),
    }
}

fn is_port(selector: Option<&crate::api::PortSelector>, port: u32) -> bool {
    selector.is_some_and(|s| s.number == i64::from(port))
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
