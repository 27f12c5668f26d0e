//! Unknown fields and wrong types, by the types of the `k8s-openapi` crate.
//!
//! An object is read into its type and written again: what does not come back is no field of
//! Kubernetes. Istio's kinds have no such types; their fields are checked by the mesh's
//! admission, which rejects by name what it does not implement.

use k8s_openapi::api::{apps, core, discovery, rbac};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::hooks::Warnings;
use crate::kinds::{Kind, KindInfo};
use crate::status::StatusError;

/// What to do about unknown fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validation {
    /// They are an error.
    Strict,
    /// They are dropped with a warning.
    Warn,
    /// They are dropped.
    Ignore,
}

/// Checks types and drops or refuses unknown fields.
pub(crate) fn check(
    info: &KindInfo,
    api_version: &str,
    validation: Validation,
    object: &mut Value,
) -> Result<Warnings, StatusError> {
    let short = api_version
        .rsplit_once('/')
        .map_or(api_version, |(_, version)| version);
    let handled = |why: String| {
        StatusError::bad_request(format!(
            "{} in version {short:?} cannot be handled as a {}: {why}",
            info.name, info.name
        ))
    };
    let Some(typed) = typed(info.kind, object) else {
        return Ok(Warnings::new());
    };
    let known = typed.map_err(|error| handled(error.to_string()))?;
    let mut unknown = Vec::new();
    collect_unknown("", object, &known, &mut unknown);
    let texts: Vec<String> = unknown
        .iter()
        .map(|path| format!("unknown field {path:?}"))
        .collect();
    if texts.is_empty() {
        return Ok(Warnings::new());
    }
    if validation == Validation::Strict {
        return Err(handled(format!(
            "strict decoding error: {}",
            texts.join(", ")
        )));
    }
    drop_unknown(object, &known);
    Ok(if validation == Validation::Warn {
        texts
    } else {
        Warnings::new()
    })
}

/// The object as its type writes it; `None` for kinds without a type.
fn typed(kind: Kind, object: &Value) -> Option<Result<Value, serde_json::Error>> {
    let round = match kind {
        Kind::Namespace => round::<core::v1::Namespace>,
        Kind::Pod => round::<core::v1::Pod>,
        Kind::Service => round::<core::v1::Service>,
        Kind::ConfigMap => round::<core::v1::ConfigMap>,
        Kind::Secret => round::<core::v1::Secret>,
        Kind::ServiceAccount => round::<core::v1::ServiceAccount>,
        Kind::PersistentVolumeClaim => round::<core::v1::PersistentVolumeClaim>,
        Kind::Node => round::<core::v1::Node>,
        Kind::Event => round::<core::v1::Event>,
        Kind::ReplicaSet => round::<apps::v1::ReplicaSet>,
        Kind::Deployment => round::<apps::v1::Deployment>,
        Kind::EndpointSlice => round::<discovery::v1::EndpointSlice>,
        Kind::Role => round::<rbac::v1::Role>,
        Kind::RoleBinding => round::<rbac::v1::RoleBinding>,
        Kind::ClusterRole => round::<rbac::v1::ClusterRole>,
        Kind::ClusterRoleBinding => round::<rbac::v1::ClusterRoleBinding>,
        Kind::CustomResourceDefinition => round::<CustomResourceDefinition>,
        _ => return None,
    };
    Some(round(object))
}

fn round<T: DeserializeOwned + Serialize>(object: &Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(T::deserialize(object)?)
}

/// Paths of members that `known` lacks.
fn collect_unknown(path: &str, object: &Value, known: &Value, unknown: &mut Vec<String>) {
    match (object, known) {
        (Value::Object(object), Value::Object(known)) => {
            for (key, value) in object {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                match known.get(key) {
                    Some(known) => collect_unknown(&path, value, known, unknown),
                    None if is_absent(value) => {}
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(items), Value::Array(known)) => {
            for (index, (item, known)) in items.iter().zip(known).enumerate() {
                collect_unknown(&format!("{path}[{index}]"), item, known, unknown);
            }
        }
        _ => {}
    }
}

/// Known fields with such values may not come back: the types leave them out.
fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn drop_unknown(object: &mut Value, known: &Value) {
    match (object, known) {
        (Value::Object(object), Value::Object(known)) => {
            object.retain(|key, value| known.contains_key(key) || is_absent(value));
            for (key, value) in object {
                drop_unknown(value, &known[key.as_str()]);
            }
        }
        (Value::Array(items), Value::Array(known)) => {
            for (item, known) in items.iter_mut().zip(known) {
                drop_unknown(item, known);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" },
            "spec": { "containers": [{ "name": "a", "imagee": "c", "resources": {} }], "restartpolicy": "Never" },
        })
    }

    #[test]
    fn unknown_fields_are_named() {
        let error = check(Kind::Pod.info(), "v1", Validation::Strict, &mut pod()).unwrap_err();
        assert_eq!(
            error.message,
            "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: \
             unknown field \"spec.containers[0].imagee\", unknown field \"spec.restartpolicy\""
        );
    }

    #[test]
    fn unknown_fields_are_dropped_with_a_warning() {
        let mut object = pod();
        let warnings = check(Kind::Pod.info(), "v1", Validation::Warn, &mut object).unwrap();
        assert_eq!(warnings.len(), 2);
        assert_eq!(
            object["spec"],
            json!({ "containers": [{ "name": "a", "resources": {} }] })
        );
    }

    #[test]
    fn wrong_types_are_refused() {
        let mut object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": 1 } });
        assert_eq!(
            check(Kind::ConfigMap.info(), "v1", Validation::Warn, &mut object)
                .unwrap_err()
                .code,
            400
        );
    }
}
