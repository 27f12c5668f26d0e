//! The environment of a container: literal values, references and `$(NAME)` expansion.
//!
//! Follows the Kubernetes API reference for `EnvVar`: `$(NAME)` sees the variables before it,
//! `$$` escapes, an unknown name stays as written.

use std::collections::BTreeMap;

use base64::Engine;
use serde_json::Value;

/// Why a container cannot be configured yet; the pod waits with `CreateContainerConfigError`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EnvError {
    /// The Secret or ConfigMap is not there.
    #[error("{kind} \"{name}\" not found")]
    NoObject {
        /// `secret` or `configmap`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The object has no such key.
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    NoKey {
        /// `Secret` or `ConfigMap`.
        kind: &'static str,
        /// The pod's namespace.
        namespace: String,
        /// Object name.
        name: String,
        /// The key.
        key: String,
    },
    /// A source that is not known here.
    #[error("environment variable {name}: unsupported source {from}")]
    Unsupported {
        /// Name of the variable.
        name: String,
        /// The source as written.
        from: String,
    },
}

/// Finds Secrets and `ConfigMaps` of the pod's namespace.
pub(super) trait Lookup {
    /// The object, or `None`.
    fn find(&self, kind: &'static str, name: &str) -> Option<std::sync::Arc<Value>>;
}

/// All variables of a container, in order; a later one of the same name wins.
pub(super) fn resolve(
    pod: &Value,
    container: &Value,
    lookup: &dyn Lookup,
) -> Result<Vec<(String, String)>, EnvError> {
    let mut all: Vec<(String, String)> = Vec::new();
    for source in list(container, "envFrom") {
        all.extend(env_from(pod, source, lookup)?);
    }
    for variable in list(container, "env") {
        let Some(name) = variable["name"].as_str() else {
            continue;
        };
        let value = match variable.get("valueFrom") {
            Some(from) => value_from(pod, container, name, from, lookup)?,
            None => Some(expand(variable["value"].as_str().unwrap_or_default(), &all)),
        };
        if let Some(value) = value {
            all.retain(|(n, _)| n != name);
            all.push((name.to_owned(), value));
        }
    }
    Ok(all)
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Replaces `$(NAME)` by what is known, for values, commands and arguments.
pub(super) fn expand(text: &str, known: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            out.push('$');
            rest = after;
            continue;
        }
        let name = rest.strip_prefix("$(").and_then(|r| r.split_once(')'));
        if let Some((value, after)) =
            name.and_then(|(n, after)| known.iter().find(|(k, _)| k == n).map(|(_, v)| (v, after)))
        {
            out.push_str(value);
            rest = after;
        } else {
            out.push('$');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

fn env_from(
    pod: &Value,
    source: &Value,
    lookup: &dyn Lookup,
) -> Result<Vec<(String, String)>, EnvError> {
    let prefix = source["prefix"].as_str().unwrap_or_default();
    for (field, kind) in [("secretRef", "Secret"), ("configMapRef", "ConfigMap")] {
        let Some(reference) = source.get(field) else {
            continue;
        };
        let name = reference["name"].as_str().unwrap_or_default();
        return match lookup.find(kind, name) {
            Some(object) => Ok(data(kind, &object)
                .into_iter()
                .map(|(k, v)| (format!("{prefix}{k}"), text(v)))
                .collect()),
            None if reference["optional"] == true => Ok(Vec::new()),
            None => Err(missing(kind, name)),
        };
    }
    Err(EnvError::Unsupported {
        name: format!("envFrom of {}", pod["metadata"]["name"]),
        from: source.to_string(),
    })
}

fn value_from(
    pod: &Value,
    container: &Value,
    name: &str,
    from: &Value,
    lookup: &dyn Lookup,
) -> Result<Option<String>, EnvError> {
    if let Some(reference) = from.get("secretKeyRef") {
        return key(pod, "Secret", reference, lookup);
    }
    if let Some(reference) = from.get("configMapKeyRef") {
        return key(pod, "ConfigMap", reference, lookup);
    }
    if let Some(path) = from.pointer("/fieldRef/fieldPath").and_then(Value::as_str) {
        return Ok(Some(field(pod, path)));
    }
    if let Some(resource) = from
        .pointer("/resourceFieldRef/resource")
        .and_then(Value::as_str)
    {
        let path = format!("/resources/{}", resource.replace('.', "/"));
        return Ok(Some(
            container
                .pointer(&path)
                .and_then(Value::as_str)
                .unwrap_or("0")
                .to_owned(),
        ));
    }
    Err(EnvError::Unsupported {
        name: name.to_owned(),
        from: from.to_string(),
    })
}

fn key(
    pod: &Value,
    kind: &'static str,
    reference: &Value,
    lookup: &dyn Lookup,
) -> Result<Option<String>, EnvError> {
    let name = reference["name"].as_str().unwrap_or_default();
    let key = reference["key"].as_str().unwrap_or_default();
    let optional = reference["optional"] == true;
    let Some(object) = lookup.find(kind, name) else {
        return if optional {
            Ok(None)
        } else {
            Err(missing(kind, name))
        };
    };
    match data(kind, &object).remove(key) {
        Some(value) => Ok(Some(text(value))),
        None if optional => Ok(None),
        None => Err(EnvError::NoKey {
            kind,
            namespace: pod
                .pointer("/metadata/namespace")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            name: name.to_owned(),
            key: key.to_owned(),
        }),
    }
}

fn missing(kind: &'static str, name: &str) -> EnvError {
    let kind = if kind == "Secret" {
        "secret"
    } else {
        "configmap"
    };
    EnvError::NoObject {
        kind,
        name: name.to_owned(),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The bytes behind every key of a Secret or ConfigMap.
pub(super) fn data(kind: &str, object: &Value) -> BTreeMap<String, Vec<u8>> {
    let decode = |v: &str| {
        base64::engine::general_purpose::STANDARD
            .decode(v)
            .unwrap_or_default()
    };
    let mut all = BTreeMap::new();
    for (field, encoded) in [("data", kind == "Secret"), ("binaryData", true)] {
        for (k, v) in object
            .get(field)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let v = v.as_str().unwrap_or_default();
            all.insert(
                k.clone(),
                if encoded {
                    decode(v)
                } else {
                    v.as_bytes().to_vec()
                },
            );
        }
    }
    all
}

/// A downward-API field, as `fieldRef` and downward volumes name it.
pub(super) fn field(pod: &Value, path: &str) -> String {
    if let Some((map, key)) = path.strip_suffix("']").and_then(|p| p.split_once("['")) {
        let pointer = format!("/{}", map.replace('.', "/"));
        return pod
            .pointer(&pointer)
            .and_then(|m| m.get(key))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
    }
    match pod.pointer(&format!("/{}", path.replace('.', "/"))) {
        Some(Value::String(s)) => s.clone(),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect::<Vec<_>>()
            .join("\n"),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    struct One(&'static str, Value);
    impl Lookup for One {
        fn find(&self, _: &'static str, name: &str) -> Option<Arc<Value>> {
            (name == self.0).then(|| Arc::new(self.1.clone()))
        }
    }

    fn names(env: Value) -> Result<Vec<(String, String)>, EnvError> {
        let pod = json!({"metadata": {"name": "p", "namespace": "default", "labels": {"app": "x"}}, "status": {"podIP": "10.1.0.4"}});
        let secret = One("mysql-root", json!({"data": {"password": "aHVzaA=="}}));
        resolve(&pod, &json!({"env": env}), &secret)
    }

    #[test]
    fn references_are_followed() {
        let env = names(json!([
            {"name": "A", "value": "1"},
            {"name": "B", "value": "$(A)-$$(A)-$(C)"},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "mysql-root", "key": "password"}}},
        ]))
        .expect("env");
        let get = |n: &str| env.iter().find(|(k, _)| k == n).expect("name").1.clone();
        assert_eq!(get("B"), "1-$(A)-$(C)");
        assert_eq!(
            (get("IP"), get("APP"), get("PW")),
            ("10.1.0.4".into(), "x".into(), "hush".into())
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        let no_secret = names(
            json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "other", "key": "x"}}}]),
        );
        assert_eq!(
            no_secret.expect_err("missing").to_string(),
            "secret \"other\" not found"
        );
        let no_key = names(
            json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "mysql-root", "key": "x"}}}]),
        );
        assert_eq!(
            no_key.expect_err("missing").to_string(),
            "couldn't find key x in Secret default/mysql-root"
        );
        let optional = names(
            json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "other", "key": "x", "optional": true}}}]),
        );
        assert_eq!(optional.expect("env"), []);
    }
}
