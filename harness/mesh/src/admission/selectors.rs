//! Workload selectors, and the kinds that are little more: `PeerAuthentication`, `Telemetry`.

use super::findings::Findings;
use crate::api::{Labels, peer_authentication::PeerAuthentication, telemetry::Telemetry};

/// A selector by `matchLabels`; warns where it has none.
pub(crate) fn workload(labels: Option<&Labels>) -> Findings {
    let mut found = labels_of(labels);
    if labels.is_some_and(Labels::is_empty) {
        found.warn("workload selector specified without labels");
    }
    found
}

/// A selector by `labels`, as `ServiceEntry` and `Sidecar` have it; `what` begins the warning.
pub(crate) fn by_labels(labels: Option<&Labels>, what: &str) -> Findings {
    let mut found = labels_of(labels);
    if found.is_clean() && labels.is_some_and(Labels::is_empty) {
        found.warn(format!(
            "{what}: workload selector specified without labels, will be applied to all services in namespace"
        ));
    }
    found
}

fn labels_of(labels: Option<&Labels>) -> Findings {
    let mut found = Findings::default();
    for (key, value) in labels.into_iter().flatten() {
        if key.is_empty() {
            found.fail(format!(
                "empty key is not supported in selector: \"{key}={value}\""
            ));
        }
        if key.contains('*') || value.contains('*') {
            found.fail(format!(
                "wildcard is not supported in selector: \"{key}={value}\""
            ));
        }
    }
    found
}

pub(crate) fn peer_authentication(policy: &PeerAuthentication) -> Findings {
    let mut found = Findings::default();
    let ports = policy.port_level_mtls.as_ref();
    if policy.is_wide() && ports.is_some_and(|p| !p.is_empty()) {
        found.fail("mesh/namespace peer authentication cannot have port level mTLS");
    }
    if ports.is_some_and(std::collections::BTreeMap::is_empty) {
        found.fail("port level mTLS, if defined, must have at least one element");
    }
    for port in ports.into_iter().flat_map(|p| p.keys()) {
        if !port.parse::<u32>().is_ok_and(|p| (1..=65535).contains(&p)) {
            found.fail("port must be in range 1..65535");
        }
    }
    found.add(workload(policy.selector.as_ref().map(|s| &s.match_labels)));
    found
}

pub(crate) fn telemetry(telemetry: &Telemetry) -> Findings {
    let mut found = workload(telemetry.selector.as_ref().map(|s| &s.match_labels));
    for logging in &telemetry.access_logging {
        if logging.providers.iter().any(|p| p.name.is_empty()) {
            found.fail("providers.name must not be empty");
        }
    }
    found
}
