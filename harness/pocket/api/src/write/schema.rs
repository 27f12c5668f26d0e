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

use super::pipeline::Write;
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

/// Checks types, and drops or refuses unknown and repeated fields.
pub(crate) fn check(write: &Write, object: &mut Value) -> Result<Warnings, StatusError> {
    let info = write.kind.info();
    if info.kind == Kind::Secret {
        super::validate::secret_data(object)?;
    }
    let mut texts: Vec<String> = write
        .duplicates
        .iter()
        .map(|path| format!("duplicate field {path:?}"))
        .collect();
    let known = typed(info.kind, object)
        .transpose()
        .map_err(|error| handled(write, &error.to_string()))?;
    if let Some(known) = &known {
        texts.extend(
            unknown(object, known)
                .iter()
                .map(|path| format!("unknown field {path:?}")),
        );
    }
    if write.validation == Validation::Strict && !texts.is_empty() {
        return Err(handled(
            write,
            &format!("strict decoding error: {}", texts.join(", ")),
        ));
    }
    if let Some(known) = &known {
        drop_unknown(object, known);
    }
    Ok(if write.validation == Validation::Warn {
        texts
    } else {
        Warnings::new()
    })
}

/// An applied configuration may hold no field that its type lacks, whatever the validation.
pub(crate) fn check_applied(
    info: &KindInfo,
    name: &str,
    object: &Value,
) -> Result<(), StatusError> {
    let typed = typed(info.kind, object).transpose();
    let wrong = |why: String| {
        let (api_version, kind) = (info.api_version(), info.name);
        let of = if info.group.is_empty() {
            format!("/{api_version}")
        } else {
            api_version
        };
        let message =
            format!("failed to create typed patch object (/{name}; {of}, Kind={kind}): {why}");
        StatusError::new(500, "", message)
    };
    let Some(known) = typed.map_err(|error| wrong(error.to_string()))? else {
        return Ok(());
    };
    match unknown(object, &known).as_slice() {
        [] => Ok(()),
        paths => {
            let texts: Vec<String> = paths
                .iter()
                .map(|path| format!(".{path}: field not declared in schema"))
                .collect();
            Err(wrong(texts.join("\n")))
        }
    }
}

fn handled(write: &Write, why: &str) -> StatusError {
    let name = write.kind.info().name;
    let version = write
        .api_version
        .rsplit_once('/')
        .map_or(write.api_version.as_str(), |(_, version)| version);
    StatusError::bad_request(format!(
        "{name} in version {version:?} cannot be handled as a {name}: {why}"
    ))
}

fn unknown(object: &Value, known: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    collect_unknown("", object, known, &mut paths);
    paths
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
                if let Some(known) = known.get(key) {
                    drop_unknown(value, known);
                }
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

    fn write(kind: Kind, validation: Validation) -> Write {
        Write {
            kind,
            api_version: "v1".into(),
            namespace: "d".into(),
            name: String::new(),
            subresource: String::new(),
            manager: "m".into(),
            validation,
            dry_run: false,
            duplicates: Vec::new(),
        }
    }

    #[test]
    fn unknown_fields_are_named() {
        let error = check(&write(Kind::Pod, Validation::Strict), &mut pod()).unwrap_err();
        assert_eq!(
            error.message,
            "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: \
             unknown field \"spec.containers[0].imagee\", unknown field \"spec.restartpolicy\""
        );
    }

    #[test]
    fn unknown_fields_are_dropped_with_a_warning() {
        let mut object = pod();
        let warnings = check(&write(Kind::Pod, Validation::Warn), &mut object).unwrap();
        assert_eq!(warnings.len(), 2);
        assert_eq!(
            object["spec"],
            json!({ "containers": [{ "name": "a", "resources": {} }] })
        );
    }

    #[test]
    fn members_without_a_value_are_no_matter() {
        let mut object = json!({ "metadata": { "nosuch": null }, "nosuch": [], "data": null });
        assert!(
            check(&write(Kind::ConfigMap, Validation::Strict), &mut object)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn wrong_types_are_refused() {
        let mut object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": 1 } });
        assert_eq!(
            check(&write(Kind::ConfigMap, Validation::Warn), &mut object)
                .unwrap_err()
                .code,
            400
        );
    }

    #[test]
    fn applied_configurations_have_only_known_fields() {
        let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "zzz": 1 });
        let error = check_applied(Kind::ConfigMap.info(), "s", &object).unwrap_err();
        assert_eq!(
            error.message,
            "failed to create typed patch object (/s; /v1, Kind=ConfigMap): .zzz: field not declared in schema"
        );
    }
}
