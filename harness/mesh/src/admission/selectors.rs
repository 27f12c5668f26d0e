//! Workload selectors, and the kinds that are little more: `PeerAuthentication`, `Telemetry`.

use serde_json::Value;

use super::{findings::Findings, names, text::quoted};
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
        let pair = quoted(&format!("{key}={value}"));
        if key.is_empty() {
            found.fail(format!("empty key is not supported in selector: {pair}"));
        }
        if key.contains('*') || value.contains('*') {
            found.fail(format!("wildcard is not supported in selector: {pair}"));
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

pub(crate) fn telemetry(telemetry: &Telemetry, spec: &Value) -> Findings {
    let mut found = targets(telemetry.selector.is_some(), spec);
    found.add(workload(
        telemetry.selector.as_ref().map(|s| &s.match_labels),
    ));
    found.add(target_references(spec));
    for kind in ["metrics", "tracing", "accessLogging"] {
        for item in spec[kind].as_array().into_iter().flatten() {
            let mut names = item["providers"].as_array().into_iter().flatten();
            if names.any(|p| p["name"].as_str().is_none_or(str::is_empty)) {
                found.fail("providers.name may not be empty");
            }
        }
    }
    found
}

/// That a policy names its workloads in one way only.
pub(crate) fn targets(selector: bool, spec: &Value) -> Findings {
    let mut found = Findings::default();
    let one = spec.get("targetRef").is_some();
    let several = spec["targetRefs"].as_array().is_some_and(|l| !l.is_empty());
    if [selector, one, several].iter().filter(|s| **s).count() > 1 {
        found.fail("only one of targetRefs or workloadSelector can be set");
    }
    found
}

/// What a policy may be bound to besides workloads (`allowedTargetRefs`).
const TARGETS: &[(&str, &str)] = &[
    ("", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "GatewayClass"),
];

/// `targetRef` and `targetRefs`.
pub(crate) fn target_references(spec: &Value) -> Findings {
    let mut found = Findings::default();
    let several = spec["targetRefs"].as_array().into_iter().flatten();
    for target in spec.get("targetRef").into_iter().chain(several) {
        let text = |field: &str| target[field].as_str().unwrap_or_default();
        if text("name").is_empty() {
            found.fail("targetRef name must be set");
        }
        if !text("namespace").is_empty() {
            found.fail(
                "targetRef namespace must not be set; cross namespace referencing is not supported",
            );
        }
        let group = match text("group") {
            "core" => "",
            group => group,
        };
        if !TARGETS.contains(&(group, text("kind"))) {
            found.fail(format!(
                "targetRef must be to one of [core/v1/Service networking.istio.io/v1/ServiceEntry gateway.networking.k8s.io/v1/Gateway gateway.networking.k8s.io/v1/GatewayClass] but was {}/{}",
                text("group"),
                text("kind")
            ));
        }
    }
    found
}

/// Labels as tags of a workload (`pkg/config/labels/instance.go`).
pub(crate) fn tags(labels: &Labels) -> Findings {
    let mut found = Findings::default();
    for (key, value) in labels {
        if let Err(why) = tag_key(key) {
            found.fail_listed(format!("invalid tag key: {}{why}", quoted(key)));
        }
        if !value.is_empty() && !is_qualified(value) {
            found.fail_listed(format!("invalid tag value: {}", quoted(value)));
        }
    }
    found
}

fn tag_key(key: &str) -> Result<(), &'static str> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let label = |l: &str| names::is_label_of_any_length(l);
    if !is_qualified(name) || !prefix.is_none_or(|p| p.split('.').all(label)) {
        return Err("");
    }
    if prefix.is_some_and(|p| p.len() > 253) {
        return Err(" (DNS prefix is too long)");
    }
    if name.len() > 63 {
        return Err(" (name is too long)");
    }
    Ok(())
}

/// Letters, digits, `-`, `_`, `.`, with a letter or digit at both ends.
fn is_qualified(text: &str) -> bool {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    end(text.chars().next())
        && end(text.chars().next_back())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
