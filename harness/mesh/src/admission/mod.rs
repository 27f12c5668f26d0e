//! What admission says of a resource.
//!
//! In the order in which a cluster would say it: the API server about unknown fields and wrong types,
//! then Istio's webhook in Istio's words, then ours about what Istio has and the embedded mesh lacks.

mod authorization;
mod destination;
mod findings;
mod gateway;
mod names;
mod route;
mod selectors;
mod service_entry;
mod sidecar;
mod unsupported;
pub(crate) mod walk;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    MeshConfig,
    api::{schema::Kind, tables::KINDS},
};
use findings::Findings;
pub(crate) use gateway::is_cipher;
use walk::{Problem, walk, without_nulls};

/// The name under which Istio's own validation refuses.
const ISTIO_WEBHOOK: &str = "validation.istio.io";
/// The name under which the embedded mesh refuses what it does not support.
const OWN_WEBHOOK: &str = "meshproof.dev";

/// The answer of admission to one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Why the object is refused, as the whole text of the API server's answer
    /// (`admission webhook "..." denied the request: ...`); `None` where it is accepted.
    pub error: Option<String>,
    /// Warnings, without the `Warning:` that clients print before them.
    pub warnings: Vec<String>,
}

impl Admission {
    /// Istio's own words, without the name of the webhook; `None` where Istio would accept.
    pub fn istio_error(&self) -> Option<&str> {
        self.error
            .as_deref()?
            .strip_prefix(&denied(ISTIO_WEBHOOK, ""))
    }

    fn refused(error: String) -> Self {
        Self {
            error: Some(error),
            warnings: Vec::new(),
        }
    }
}

fn denied(webhook: &str, why: &str) -> String {
    format!("admission webhook \"{webhook}\" denied the request: {why}")
}

/// Judges one object as it would be stored. Kinds that are not Istio's are accepted without a look.
///
/// The mesh configuration is asked for what a resource refers to in it, such as log providers.
pub fn admit(object: &Value, mesh: &MeshConfig) -> Admission {
    let Some((group, version)) = object["apiVersion"]
        .as_str()
        .and_then(|v| v.split_once('/'))
    else {
        return Admission::default();
    };
    if !is_istio_group(group) {
        return Admission::default();
    }
    let name = object["kind"].as_str().unwrap_or_default();
    match KINDS.iter().find(|k| k.group == group && k.kind == name) {
        Some(kind) if kind.versions.contains(&version) => judge(object, kind, version, mesh),
        _ => Admission::refused(format!(
            "no matches for kind \"{name}\" in version \"{group}/{version}\""
        )),
    }
}

/// Whether a group of API versions is one of Istio's.
pub(crate) fn is_istio_group(group: &str) -> bool {
    group.ends_with(".istio.io") && KINDS.iter().any(|k| k.group == group)
}

fn judge(object: &Value, kind: &Kind, version: &str, mesh: &MeshConfig) -> Admission {
    let Some(fields) = kind.spec else {
        return Admission::refused(denied(
            OWN_WEBHOOK,
            &format!("kind {}: not supported by the embedded mesh", kind.kind),
        ));
    };
    let spec = match &object["spec"] {
        Value::Null => Value::Object(serde_json::Map::new()),
        spec => without_nulls(spec),
    };
    let problems = walk(&spec, fields, "spec");
    if let Some(error) = malformed(object, kind, version, &problems) {
        return Admission::refused(error);
    }
    let meta = Subject {
        name: object["metadata"]["name"].as_str().unwrap_or_default(),
        namespace: object["metadata"]["namespace"].as_str().unwrap_or_default(),
        labels: &object["metadata"]["labels"],
    };
    let findings = validate(&spec, kind.kind, &meta);
    // A webhook that refuses says no warnings.
    if let Some(error) = findings.error() {
        return Admission::refused(denied(
            ISTIO_WEBHOOK,
            &format!("configuration is invalid: {error}"),
        ));
    }
    match lacking(&spec, kind.kind, &problems, mesh) {
        Some(error) => Admission::refused(error),
        None => Admission {
            error: None,
            warnings: findings.warnings,
        },
    }
}

/// Name, namespace and labels of the object that is judged.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) labels: &'a Value,
}

/// What the API server refuses before any webhook sees the object.
fn malformed(object: &Value, kind: &Kind, version: &str, problems: &[Problem]) -> Option<String> {
    let mut unknown: Vec<String> = unknown_top_level(object);
    unknown.extend(
        problems
            .iter()
            .filter(|p| matches!(p, Problem::Unknown(_)))
            .map(ToString::to_string),
    );
    let kind_name = kind.kind;
    if !unknown.is_empty() {
        return Some(format!(
            "{kind_name} in version \"{version}\" cannot be handled as a {kind_name}: strict decoding error: {}",
            unknown.join(", ")
        ));
    }
    let invalid: Vec<String> = problems
        .iter()
        .filter(|p| matches!(p, Problem::Invalid { .. }))
        .map(ToString::to_string)
        .collect();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    match invalid.as_slice() {
        [] => None,
        [one] => Some(format!(
            "{kind_name}.{} \"{name}\" is invalid: {one}",
            kind.group
        )),
        many => Some(format!(
            "{kind_name}.{} \"{name}\" is invalid: [{}]",
            kind.group,
            many.join(", ")
        )),
    }
}

fn unknown_top_level(object: &Value) -> Vec<String> {
    const KNOWN: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];
    object
        .as_object()
        .into_iter()
        .flat_map(|o| o.keys())
        .filter(|k| !KNOWN.contains(&k.as_str()))
        .map(|k| format!("unknown field \"{k}\""))
        .collect()
}

fn validate(spec: &Value, kind: &str, subject: &Subject<'_>) -> Findings {
    match kind {
        "Gateway" => with(spec, |g| gateway::validate(g, subject)),
        "VirtualService" => with(spec, |v| route::validate(v, subject)),
        "ServiceEntry" => with(spec, |s| service_entry::validate(s, subject)),
        "DestinationRule" => with(spec, |d| destination::validate(d, subject)),
        "PeerAuthentication" => with(spec, selectors::peer_authentication),
        "AuthorizationPolicy" => with(spec, |a| authorization::validate(a, subject)),
        "Telemetry" => with(spec, selectors::telemetry),
        "Sidecar" => with(spec, sidecar::validate),
        _ => Findings::default(),
    }
}

fn with<T: DeserializeOwned>(spec: &Value, check: impl FnOnce(&T) -> Findings) -> Findings {
    match serde_json::from_value::<T>(spec.clone()) {
        Ok(spec) => check(&spec),
        // The schema has accepted the shape, so only numbers out of 64 bits come here.
        Err(error) => Findings::of_error(error.to_string()),
    }
}

/// What Istio accepts and the embedded mesh does not support.
fn lacking(spec: &Value, kind: &str, problems: &[Problem], mesh: &MeshConfig) -> Option<String> {
    let mut texts: Vec<String> = problems
        .iter()
        .filter(|p| matches!(p, Problem::Unsupported(_)))
        .map(ToString::to_string)
        .collect();
    texts.extend(unsupported::values(spec, kind, mesh));
    (!texts.is_empty()).then(|| denied(OWN_WEBHOOK, &texts.join("; ")))
}
