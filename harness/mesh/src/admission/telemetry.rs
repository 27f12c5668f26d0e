//! Traces and metrics of a `Telemetry`, which decide nothing on the road of a TCP connection and are
//! judged all the same (`pkg/config/validation/validation.go`).

use serde_json::Value;

use super::findings::Findings;

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// The overrides of metrics.
pub(crate) fn metrics(spec: &Value) -> Findings {
    let mut found = Findings::default();
    for change in items(spec, "metrics").flat_map(|m| items(m, "overrides")) {
        for (name, tag) in change["tagOverrides"].as_object().into_iter().flatten() {
            if name.is_empty() {
                found.warn("tagOverrides.name may not be empty");
            }
            let value = text(tag, "value");
            match text(tag, "operation") {
                "" | "UPSERT" if value.is_empty() => {
                    found.fail("tagOverrides.value must be set when operation is UPSERT");
                }
                "REMOVE" if !value.is_empty() => {
                    found.fail("tagOverrides.value may only be set when operation is UPSERT");
                }
                _ => {}
            }
        }
        if change["match"]["customMetric"] == "" {
            found.fail("customMetric may not be empty");
        }
    }
    found
}

/// How much is traced, and with which tags.
pub(crate) fn tracing(spec: &Value) -> Findings {
    let mut found = Findings::default();
    if items(spec, "tracing").count() > 1 {
        found.warn("multiple tracing is not currently supported");
    }
    for tracing in items(spec, "tracing") {
        if items(tracing, "providers").count() > 1 {
            found.warn("multiple providers is not currently supported");
        }
        let percentage = tracing["randomSamplingPercentage"].as_f64();
        if percentage.is_some_and(|p| !(0.0..=100.0).contains(&p)) {
            found.fail("randomSamplingPercentage must be in range [0.0, 100.0]");
        }
        for (name, tag) in tracing["customTags"].as_object().into_iter().flatten() {
            if name.is_empty() {
                found.fail("tag name may not be empty");
            }
            for (kind, field, what) in [
                ("literal", "value", "literal tag value may not be empty"),
                ("header", "name", "header tag name may not be empty"),
                (
                    "environment",
                    "name",
                    "environment tag name may not be empty",
                ),
            ] {
                if tag[kind].is_object() && text(&tag[kind], field).is_empty() {
                    found.fail(what);
                }
            }
        }
    }
    found
}
