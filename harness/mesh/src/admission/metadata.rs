//! What Istio's webhook asks of every object before it looks at the spec
//! (`pkg/config/validation/validation.go`, `validateMetadata`).

use serde_json::Value;

use super::{Subject, text::quoted};

const DRY_RUN: &str = "istio.io/dry-run";

/// Annotations that users may not set (`pkg/config/constants/constants.go`).
const INTERNAL: &[&str] = &[
    "internal.istio.io/parent-namespace",
    "internal.istio.io/parents",
];
const ALWAYS_REJECT: &str = "internal.istio.io/webhook-always-reject";

/// The texts that Go reads as a truth value.
const TRUTH: &[&str] = &[
    "1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False",
];

pub(crate) fn check(
    annotations: &Value,
    subject: &Subject<'_>,
    spec: &Value,
    kind: &str,
) -> Result<(), String> {
    if let Some(value) = annotations[DRY_RUN].as_str() {
        dry_run(value, subject, spec, kind)?;
    }
    if annotations.get(ALWAYS_REJECT).is_some() {
        return Err(format!("\"{ALWAYS_REJECT}\" annotation found, rejecting"));
    }
    match INTERNAL.iter().find(|a| annotations.get(**a).is_some()) {
        Some(found) => Err(format!(
            "\"{found}\" annotation found, this may not be set by users"
        )),
        None => Ok(()),
    }
}

fn dry_run(value: &str, subject: &Subject<'_>, spec: &Value, kind: &str) -> Result<(), String> {
    let Subject {
        name, namespace, ..
    } = subject;
    if kind != "AuthorizationPolicy" {
        return Err(format!(
            "{namespace}/{name} has unsupported annotation {DRY_RUN}, please remove the annotation"
        ));
    }
    match spec["action"].as_str().unwrap_or("ALLOW") {
        "ALLOW" | "DENY" if TRUTH.contains(&value) => Ok(()),
        "ALLOW" | "DENY" => Err(format!(
            "{namespace}/{name} has annotation {DRY_RUN} with invalid value ({value}): strconv.ParseBool: parsing {}: invalid syntax",
            quoted(value)
        )),
        action => Err(format!(
            "the annotation {DRY_RUN} currently only supports action ALLOW/DENY, found action {action} in {namespace}/{name}"
        )),
    }
}
