//! The listener filters of a sidecar's inbound listener: what is looked at before a chain is chosen,
//! and on which ports (`pilot/pkg/networking/core/listener_inbound.go`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::envoy;

/// What a filter chain needs to know of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) tls: bool,
    pub(crate) http: bool,
}

/// Needs by port; 0 stands for every other port.
pub(crate) type ByPort = BTreeMap<u32, Needs>;

/// The filters: the original destination always, the inspectors where some chain needs them.
pub(crate) fn filters(needs: &ByPort) -> Vec<Value> {
    let mut filters = vec![envoy::original_dst()];
    if needs.values().any(|n| n.tls) {
        filters.push(limited(envoy::tls_inspector(), tls_predicate(needs)));
    }
    if needs.values().any(|n| n.http) {
        let off: Vec<u32> = needs
            .iter()
            .filter(|(_, n)| !n.http)
            .map(|(p, _)| *p)
            .collect();
        filters.push(limited(envoy::http_inspector(), any_of(&off)));
    }
    filters
}

fn limited(mut filter: Value, predicate: Option<Value>) -> Value {
    if let Some(predicate) = predicate {
        filter["filter_disabled"] = predicate;
    }
    filter
}

/// Off on the ports that do not need it; where the rest does not need it, on for those that do.
fn tls_predicate(needs: &ByPort) -> Option<Value> {
    let by_default = needs.get(&0).is_some_and(|n| n.tls);
    let exceptions: Vec<u32> = needs
        .iter()
        .filter(|(port, n)| **port != 0 && n.tls != by_default)
        .map(|(p, _)| *p)
        .collect();
    let ports = any_of(&exceptions)?;
    Some(if by_default {
        ports
    } else {
        json!({"not_match": ports})
    })
}

fn any_of(ports: &[u32]) -> Option<Value> {
    let range = |p: &u32| json!({"destination_port_range": {"start": p, "end": p + 1}});
    match ports {
        [] => None,
        [one] => Some(range(one)),
        many => Some(json!({"or_match": {"rules": many.iter().map(range).collect::<Vec<_>>()}})),
    }
}
