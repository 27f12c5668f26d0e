//! What the server itself writes into an object before it is stored.

use serde_json::{Map, Value, json};

use super::defaults::{self, Addresses};
use super::{names, status_part};
use crate::kinds::{Kind, KindInfo};
use crate::object::{self, default_to, metadata_mut};
use crate::status::StatusError;
use crate::store::now;

/// Metadata that a client cannot choose on creation.
const OWNED_ON_CREATE: &[&str] = &[
    "resourceVersion",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];
/// Metadata that no update changes.
const FIXED: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "generateName",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
];

/// Sets the stored `apiVersion` and `kind` and the namespace; drops empty parts that
/// Kubernetes' types would not write.
pub(crate) fn normalise(info: &KindInfo, namespace: &str, object: &mut Value) {
    object["apiVersion"] = info.api_version().into();
    object["kind"] = info.name.into();
    drop_nulls(object);
    let metadata = metadata_mut(object);
    if info.namespaced {
        metadata.insert("namespace".into(), namespace.into());
    } else {
        metadata.remove("namespace");
    }
    drop_empty_metadata(metadata);
}

/// Gives an object that has none a name from its `generateName`.
pub(crate) fn generate_name(info: &KindInfo, object: &mut Value) -> Result<(), StatusError> {
    let metadata = metadata_mut(object);
    if text(metadata, "name").is_empty() && !text(metadata, "generateName").is_empty() {
        let name = names::generated(text(metadata, "generateName"))?;
        metadata.insert("name".into(), name.into());
        // A Namespace's label repeats its name.
        default(info, object);
    }
    Ok(())
}

fn drop_empty_metadata(metadata: &mut Map<String, Value>) {
    for key in ["labels", "annotations"] {
        if metadata
            .get(key)
            .and_then(Value::as_object)
            .is_some_and(Map::is_empty)
        {
            metadata.remove(key);
        }
    }
    for key in ["finalizers", "ownerReferences", "managedFields"] {
        if metadata
            .get(key)
            .and_then(Value::as_array)
            .is_some_and(Vec::is_empty)
        {
            metadata.remove(key);
        }
    }
}

/// Removes null members everywhere: to Kubernetes they are absent. `eventTime` of an Event is
/// the one field written as null.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, member| !member.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Defaults of the kind, the same on creation and update.
pub(crate) fn default(info: &KindInfo, object: &mut Value) {
    defaults::apply(info.kind, object);
}

/// The last touches on a new object: identity, generation, first status, addresses.
pub(crate) fn finish_create(
    info: &KindInfo,
    object: &mut Value,
    addresses: &Addresses,
) -> Result<(), StatusError> {
    let metadata = metadata_mut(object);
    for key in OWNED_ON_CREATE {
        metadata.remove(*key);
    }
    metadata.insert("uid".into(), names::uuid()?.into());
    metadata.insert("creationTimestamp".into(), now().into());
    if info.has_generation {
        metadata.insert("generation".into(), 1.into());
    }
    status_part::reset(info.kind, object);
    if info.kind == Kind::Namespace {
        object["spec"] = json!({ "finalizers": ["kubernetes"] });
    }
    if info.kind == Kind::Service {
        addresses.assign(object, None)?;
    }
    Ok(())
}

/// The last touches on a changed object: what may not change is put back, `generation` counts.
pub(crate) fn finish_update(
    info: &KindInfo,
    object: &mut Value,
    old: &Value,
    addresses: &Addresses,
) -> Result<(), StatusError> {
    keep_fixed(object, old);
    if info.has_status {
        status_part::keep(object, old);
    }
    match info.kind {
        Kind::Namespace => object["spec"] = old["spec"].clone(),
        Kind::Service => addresses.assign(object, Some(old))?,
        _ => {}
    }
    if info.has_generation && differs(object, old) {
        let next = old["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        object["metadata"]["generation"] = next.into();
    }
    Ok(())
}

/// Puts fixed metadata back.
pub(crate) fn keep_fixed(object: &mut Value, old: &Value) {
    let metadata = metadata_mut(object);
    for key in FIXED {
        match old["metadata"].get(*key) {
            Some(value) => metadata.insert((*key).into(), value.clone()),
            None => metadata.remove(*key),
        };
    }
}

/// Something other than metadata and status differs.
fn differs(object: &Value, old: &Value) -> bool {
    let counts = |key: &str| !matches!(key, "metadata" | "status" | "apiVersion" | "kind");
    let (Some(new), Some(old)) = (object.as_object(), old.as_object()) else {
        return true;
    };
    let changed = |a: &Map<String, Value>, b: &Map<String, Value>| {
        a.iter()
            .any(|(key, value)| counts(key) && b.get(key) != Some(value))
    };
    changed(new, old) || changed(old, new)
}

/// An object equal to `old` but for what the server writes needs no write.
pub(crate) fn is_no_change(object: &Value, old: &Value) -> bool {
    let mut object = object.clone();
    let revision = object::revision(old);
    default_to(metadata_mut(&mut object), "resourceVersion", revision);
    object["metadata"]["resourceVersion"] = revision.into();
    object == *old
}
