//! `Sidecar`, judged in Istio's words.

use super::{findings::Findings, names, selectors};
use crate::api::sidecar::Sidecar;

pub(crate) fn validate(sidecar: &Sidecar) -> Findings {
    let mut found = selectors::by_labels(
        sidecar.workload_selector.as_ref().map(|s| &s.labels),
        "sidecar",
    );
    if !found.is_clean() {
        return found;
    }
    if sidecar.egress.is_empty() && sidecar.outbound_traffic_policy.is_none() {
        found.fail("sidecar: empty configuration provided");
    }
    for egress in &sidecar.egress {
        if egress.hosts.is_empty() {
            found.fail("sidecar: egress listener must contain at least one host");
        }
        for host in &egress.hosts {
            found.add(names::namespaced_host(host, false));
        }
    }
    if sidecar.egress.len() > 1 {
        found.fail("sidecar: only one egress listener may omit the port");
    }
    found
}
