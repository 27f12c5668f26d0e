//! Kinds that the embedded mesh does not support: what Istio would refuse is refused in its words first.

use serde_json::Value;

use super::{findings::Findings, names, selectors};
use crate::api::Labels;

/// Istio's judgement of a spec, as far as it can be had without knowing the whole kind; values of a
/// wrong type are passed over, as the kind is refused anyway.
pub(crate) fn validate(spec: &Value, kind: &str) -> Findings {
    match kind {
        "WorkloadGroup" => workload_group(spec),
        "ProxyConfig" => proxy_config(spec),
        "RequestAuthentication" => request_authentication(spec),
        _ => Findings::default(),
    }
}

fn labels(value: &Value) -> Option<Labels> {
    serde_json::from_value(value.clone()).ok()
}

/// A selector by `matchLabels`, in a spec.
fn selector(spec: &Value) -> Findings {
    let said = spec.get("selector");
    let labels = said.map(|s| labels(&s["matchLabels"]).unwrap_or_default());
    selectors::workload(labels.as_ref())
}

fn workload_group(spec: &Value) -> Findings {
    if spec.get("template").is_none() {
        return Findings::of_error("template is required".into());
    }
    let labels = labels(&spec["metadata"]["labels"]).unwrap_or_default();
    match selectors::tags(&labels).error() {
        Some(error) => Findings::of_error(format!("invalid labels: {error}")),
        None => Findings::default(),
    }
}

fn proxy_config(spec: &Value) -> Findings {
    let mut found = selector(spec);
    if spec["concurrency"].as_i64().is_some_and(|c| c < 0) {
        found.fail("concurrency must be greater than or equal to 0");
    }
    found
}

fn request_authentication(spec: &Value) -> Findings {
    let mut found = selectors::targets(spec.get("selector").is_some(), spec);
    found.add(selector(spec));
    found.add(selectors::target_references(spec));
    for rule in spec["jwtRules"].as_array().into_iter().flatten() {
        found.add(jwt_rule(rule));
    }
    found
}

/// Keys given in the rule itself, and the form of the address of others, are not looked into.
fn jwt_rule(rule: &Value) -> Findings {
    let mut found = Findings::default();
    let texts = |field: &str| {
        let items = rule[field].as_array().into_iter().flatten();
        items.filter(|text| *text == "").count()
    };
    let empty = |value: &Value| value.as_str().is_none_or(str::is_empty);
    for _ in 0..texts("audiences") {
        found.fail_listed("audience must be non-empty string");
    }
    if empty(&rule["issuer"]) && empty(&rule["jwksUri"]) {
        found.fail_listed("issuer or jwksUri must be non-empty string");
    }
    for header in rule["fromHeaders"].as_array().into_iter().flatten() {
        if empty(&header["name"]) {
            found.fail_listed("location header name must be non-empty string");
        }
    }
    for (field, message) in [
        ("fromParams", "location query must be non-empty string"),
        ("fromCookies", "cookie name must be non-empty string"),
    ] {
        for _ in 0..texts(field) {
            found.fail_listed(message);
        }
    }
    for claim in rule["outputClaimToHeaders"]
        .as_array()
        .into_iter()
        .flatten()
    {
        if empty(&claim["claim"]) || empty(&claim["header"]) {
            found.fail_listed(
                "outputClaimToHeaders header and claim value must be non-empty string",
            );
        }
    }
    if let Some(time) = rule["timeout"].as_str()
        && let Err(error) = names::positive_duration(time)
    {
        found.fail_listed(error);
    }
    found
}
