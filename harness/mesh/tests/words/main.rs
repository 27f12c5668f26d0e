//! The words of Istio's webhook, check by check. Each group names the function of Istio's source (1.32,
//! `pkg/config/validation`, `pkg/config/security`) that says them.
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    missing_docs
)]

mod destination;
mod gateway;
mod route;
mod security;
mod service_entry;
mod sidecar;

use meshproof_mesh::{MeshConfig, admit};
use serde_json::{Value, json};

fn object(kind: &str, spec: Value) -> Value {
    let group = match kind {
        "PeerAuthentication" | "AuthorizationPolicy" | "RequestAuthentication" => {
            "security.istio.io/v1"
        }
        "ProxyConfig" => "networking.istio.io/v1beta1",
        "EnvoyFilter" => "networking.istio.io/v1alpha3",
        "Telemetry" => "telemetry.istio.io/v1",
        _ => "networking.istio.io/v1",
    };
    json!({"apiVersion": group, "kind": kind, "metadata": {"name": "x", "namespace": "ns"}, "spec": spec})
}

fn many(errors: &[&str]) -> String {
    let lines = errors.join("\n\t* ");
    let noun = if errors.len() == 1 { "error" } else { "errors" };
    format!("{} {noun} occurred:\n\t* {lines}\n\n", errors.len())
}

/// What the webhook says of `spec`; empty where it accepts.
fn words(kind: &str, spec: Value) -> String {
    let answer = admit(&object(kind, spec), &MeshConfig::default());
    let words = answer.istio_error().unwrap_or_default();
    if let Some(rest) = words.strip_prefix("configuration is invalid: ") {
        return rest.to_owned();
    }
    assert!(words.is_empty(), "{words}");
    String::new()
}

#[track_caller]
fn says(kind: &str, spec: Value, want: &str) {
    assert_eq!(words(kind, spec.clone()), want, "{kind} {spec}");
}

#[track_caller]
fn warns(kind: &str, spec: Value, want: &[&str]) {
    let answer = admit(&object(kind, spec.clone()), &MeshConfig::default());
    assert_eq!(answer.error, None, "{kind} {spec}");
    assert_eq!(answer.warnings, want, "{kind} {spec}");
}
