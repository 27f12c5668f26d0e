//! What admission says of a resource.
//!
//! In the order in which a cluster would say it: the API server about unknown fields, then about wrong
//! types and values, then Istio's webhook in Istio's words, then ours about what Istio has and the embedded mesh lacks.

mod authorization;
#[cfg(test)]
mod bad_input;
mod cause;
mod destination;
mod findings;
mod gateway;
mod load_balancer;
mod metadata;
mod names;
mod others;
mod route;
mod rules;
mod selectors;
mod service_entry;
mod sidecar;
mod telemetry;
mod text;
mod unsupported;
mod values;
pub(crate) mod walk;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    MeshConfig,
    api::{schema::Kind, tables::KINDS},
};
pub use cause::Cause;
use findings::Findings;
pub(crate) use gateway::is_cipher;
pub(crate) use load_balancer::locality_error;
use walk::{Problem, as_read, walk, without_nulls};

/// The name under which Istio's own validation refuses.
const ISTIO_WEBHOOK: &str = "validation.istio.io";
/// The name under which the embedded mesh refuses what it does not support.
const OWN_WEBHOOK: &str = "meshproof.dev";

/// The answer of admission to one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Why the object is refused, as the whole text of the API server's answer: its own about unknown or
    /// wrong fields, or `admission webhook "..." denied the request: ...`; `None` where it is accepted.
    pub error: Option<String>,
    /// The refused fields, where the API server itself refuses fields (status 422).
    pub causes: Vec<Cause>,
    /// Warnings, without the `Warning:` that clients print before them.
    pub warnings: Vec<String>,
    istio: Option<String>,
}

impl Admission {
    /// The words of Istio's webhook, without its name; `None` where it would accept, or could not read the
    /// object. An API server whose schemas refuse the object does not ask the webhook.
    pub fn istio_error(&self) -> Option<&str> {
        self.istio.as_deref()
    }

    fn refused(error: String) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
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
    let spec = match &object["spec"] {
        Value::Null => Value::Object(serde_json::Map::new()),
        spec => without_nulls(spec),
    };
    let Some(fields) = kind.spec else {
        return unsupported_kind(object, &spec, kind);
    };
    let problems = walk(&spec, fields, "spec");
    let unknown = unknown(object, &problems);
    let causes = rules::judge(&spec, kind.kind, &problems);
    let findings = validate(object, &spec, kind, &problems);
    let istio = webhook(object, kind, &findings);
    let error = if !unknown.is_empty() {
        Some(strict(kind.kind, version, &unknown))
    } else if !causes.is_empty() {
        Some(invalid(object, kind, &causes))
    } else if let Some(istio) = &istio {
        Some(denied(ISTIO_WEBHOOK, istio))
    } else {
        lacking(&spec, kind.kind, &problems, mesh)
    };
    Admission {
        // A webhook that refuses says no warnings.
        warnings: error.as_ref().map_or(findings.warnings, |_| Vec::new()),
        // Unknown fields end the looking at the others.
        causes: if unknown.is_empty() {
            causes
        } else {
            Vec::new()
        },
        error,
        istio,
    }
}

fn unsupported_kind(object: &Value, spec: &Value, kind: &Kind) -> Admission {
    let istio = webhook(object, kind, &validate(object, spec, kind, &[]));
    let own = || {
        let why = format!("kind {}: not supported by the embedded mesh", kind.kind);
        denied(OWN_WEBHOOK, &why)
    };
    let error = istio
        .as_ref()
        .map_or_else(own, |e| denied(ISTIO_WEBHOOK, e));
    Admission {
        istio,
        ..Admission::refused(error)
    }
}

/// What the webhook answers where it refuses: its judgement of the spec, then unknown fields beside it.
fn webhook(object: &Value, kind: &Kind, findings: &Findings) -> Option<String> {
    if let Some(error) = findings.error() {
        return Some(format!("configuration is invalid: {error}"));
    }
    let meta = &object["metadata"];
    let text = |field: &str| meta[field].as_str().unwrap_or_default();
    let unknown = unknown_top_level(object).into_iter().next()?;
    Some(format!(
        "{unknown} on {} resource {}/{}",
        kind.kind,
        text("namespace"),
        text("name")
    ))
}

fn strict(kind: &str, version: &str, unknown: &[String]) -> String {
    let unknown = unknown.join(", ");
    format!(
        "{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error: {unknown}"
    )
}

/// Name, namespace and labels of the object that is judged.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) labels: &'a Value,
}

fn unknown(object: &Value, problems: &[Problem]) -> Vec<String> {
    let below = problems.iter().filter(|p| matches!(p, Problem::Unknown(_)));
    let mut found = unknown_top_level(object);
    found.extend(below.map(ToString::to_string));
    found
}

fn invalid(object: &Value, kind: &Kind, causes: &[Cause]) -> String {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let texts: Vec<String> = causes.iter().map(ToString::to_string).collect();
    let text = match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    format!("{}.{} \"{name}\" is invalid: {text}", kind.kind, kind.group)
}

fn unknown_top_level(object: &Value) -> Vec<String> {
    const KNOWN: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];
    object
        .as_object()
        .into_iter()
        .flat_map(|o| o.keys())
        .filter(|k| !KNOWN.contains(&k.as_str()))
        .map(|k| format!("unknown field {}", text::quoted(k)))
        .collect()
}

/// The judgement of Istio's webhook, of a spec that it can read.
fn validate(object: &Value, spec: &Value, kind: &Kind, problems: &[Problem]) -> Findings {
    if problems.iter().any(|p| matches!(p, Problem::Unreadable(_))) {
        return Findings::default();
    }
    let meta = &object["metadata"];
    let subject = Subject {
        name: meta["name"].as_str().unwrap_or_default(),
        namespace: meta["namespace"].as_str().unwrap_or_default(),
        labels: &meta["labels"],
    };
    if let Err(error) = metadata::check(&meta["annotations"], &subject, spec, kind.kind) {
        return Findings::of_error(error);
    }
    let (subject, spec) = (&subject, &as_read(spec));
    match kind.kind {
        "Gateway" => with(spec, |g| gateway::validate(g, subject)),
        "VirtualService" => with(spec, |v| route::validate(v, subject)),
        "ServiceEntry" => with(spec, |s| service_entry::validate(s, subject)),
        "WorkloadEntry" => with(spec, service_entry::workload),
        "DestinationRule" => with(spec, |d| destination::validate(d, subject)),
        "PeerAuthentication" => with(spec, selectors::peer_authentication),
        "AuthorizationPolicy" => with(spec, |a| authorization::validate(a, spec, subject)),
        "Telemetry" => {
            let mut found = telemetry::metrics(spec);
            found.add(telemetry::tracing(spec));
            found.add(with(spec, |t| selectors::telemetry(t, spec)));
            found
        }
        "Sidecar" => with(spec, |s| sidecar::validate(s, spec, subject)),
        other => others::validate(spec, other),
    }
}

fn with<T: DeserializeOwned>(spec: &Value, check: impl FnOnce(&T) -> Findings) -> Findings {
    match serde_json::from_value::<T>(spec.clone()) {
        Ok(spec) => check(&spec),
        // The schema has accepted the shape; a type of ours that does not read it is a fault of ours.
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
