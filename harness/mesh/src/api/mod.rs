//! Istio's kinds as far as the embedded mesh reads them.
//!
//! Two descriptions, on purpose: [`schema`] knows every field that Istio 1.32 has on these kinds and
//! says which the embedded mesh supports; the structs beside it hold what validation and compiling
//! read. An object reaches the structs only after the schema has accepted its shape.

pub(crate) mod authorization_policy;
pub(crate) mod destination_rule;
pub(crate) mod gateway;
pub(crate) mod peer_authentication;
pub(crate) mod schema;
pub(crate) mod service_entry;
pub(crate) mod sidecar;
pub(crate) mod tables;
pub(crate) mod telemetry;
pub(crate) mod virtual_service;

use std::collections::BTreeMap;

use serde::Deserialize;

/// Labels, selectors and the like.
pub(crate) type Labels = BTreeMap<String, String>;

/// Whether every label of `selector` is among `labels`; an empty selector selects everything.
pub(crate) fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}

/// `selector` of the security and telemetry kinds, `workloadSelector` of a `DestinationRule`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct WorkloadSelector {
    pub(crate) match_labels: Labels,
}

/// `targetRef` and `targetRefs` of the security and telemetry kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct TargetRef {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// The targets of a policy that says them in the one field or the other.
pub(crate) fn targets<'a>(many: &'a [TargetRef], one: Option<&'a TargetRef>) -> &'a [TargetRef] {
    match (many, one) {
        ([], Some(one)) => std::slice::from_ref(one),
        _ => many,
    }
}

/// A port by number.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct PortSelector {
    pub(crate) number: i64,
}

/// A name behind which something else stands.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Named {
    pub(crate) name: String,
}
