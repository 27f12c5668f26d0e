//! The files that a container finds: Secrets, `ConfigMaps`, downward API, service-account tokens.
//!
//! Pure. An `emptyDir` is a directory of the pod's own; its sharing between containers of a pod is
//! the node's business.

use serde_json::Value;

use super::env::{EnvError, Lookup, data, field};

/// A file for a container.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Absolute path in the container.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Content.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Content may be a Secret's.
        write!(
            f,
            "{} ({:o}, {} bytes)",
            self.path,
            self.mode,
            self.bytes.len()
        )
    }
}

/// What is mounted into a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mounts {
    /// Files to be written.
    pub files: Vec<File>,
    /// Empty writable directories: path in the container and name of the volume.
    pub directories: Vec<(String, String)>,
}

/// Resolves the volume mounts of `container`. `token` is the pod's service-account token.
pub(super) fn resolve(
    pod: &Value,
    container: &Value,
    lookup: &dyn Lookup,
    token: &str,
) -> Result<Mounts, EnvError> {
    let mut mounts = Mounts::default();
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let name = mount["name"].as_str().unwrap_or_default();
        let at = mount["mountPath"]
            .as_str()
            .unwrap_or_default()
            .trim_end_matches('/');
        let Some(volume) = volumes.into_iter().flatten().find(|v| v["name"] == name) else {
            continue;
        };
        let sub = mount["subPath"].as_str();
        match files(pod, volume, lookup, token)? {
            None => mounts.directories.push((at.to_owned(), name.to_owned())),
            Some(files) => mounts.files.extend(files.into_iter().filter_map(
                |(path, mode, bytes)| match sub {
                    Some(sub) => (sub == path).then(|| File {
                        path: at.to_owned(),
                        mode,
                        bytes,
                    }),
                    None => Some(File {
                        path: format!("{at}/{path}"),
                        mode,
                        bytes,
                    }),
                },
            )),
        }
    }
    Ok(mounts)
}

type Entry = (String, u32, Vec<u8>);

/// The files of a volume, or `None` for a writable directory.
fn files(
    pod: &Value,
    volume: &Value,
    lookup: &dyn Lookup,
    token: &str,
) -> Result<Option<Vec<Entry>>, EnvError> {
    if volume.get("emptyDir").is_some() {
        return Ok(None);
    }
    if let Some(source) = volume.get("projected") {
        let mode = mode(source, "defaultMode", 0o644);
        let mut all = Vec::new();
        for source in source["sources"].as_array().into_iter().flatten() {
            all.extend(source_files(pod, source, lookup, token, mode)?.unwrap_or_default());
        }
        return Ok(Some(all));
    }
    let source = ["secret", "configMap", "downwardAPI"]
        .iter()
        .find_map(|k| volume.get(k));
    let mode = mode(source.unwrap_or(&Value::Null), "defaultMode", 0o644);
    match source_files(pod, volume, lookup, token, mode)? {
        Some(files) => Ok(Some(files)),
        None => Err(EnvError::Unsupported {
            name: format!("volume {}", volume["name"].as_str().unwrap_or_default()),
            from: volume.to_string(),
        }),
    }
}

fn mode(source: &Value, key: &str, default: u32) -> u32 {
    source
        .get(key)
        .and_then(Value::as_u64)
        .and_then(|m| u32::try_from(m).ok())
        .unwrap_or(default)
}

fn source_files(
    pod: &Value,
    source: &Value,
    lookup: &dyn Lookup,
    token: &str,
    default: u32,
) -> Result<Option<Vec<Entry>>, EnvError> {
    if let Some(projection) = source.get("serviceAccountToken") {
        let path = projection["path"].as_str().unwrap_or("token").to_owned();
        return Ok(Some(vec![(path, default, token.as_bytes().to_vec())]));
    }
    if let Some(downward) = source.get("downwardAPI") {
        let items = downward["items"].as_array().into_iter().flatten();
        let entry = |item: &Value| -> Option<Entry> {
            let value = field(pod, item.pointer("/fieldRef/fieldPath")?.as_str()?);
            Some((
                item["path"].as_str()?.to_owned(),
                mode(item, "mode", default),
                value.into_bytes(),
            ))
        };
        return Ok(Some(items.filter_map(entry).collect()));
    }
    for (field, kind, key) in [
        ("secret", "Secret", "secretName"),
        ("configMap", "ConfigMap", "name"),
    ] {
        let Some(reference) = source.get(field) else {
            continue;
        };
        let name = reference
            .get(key)
            .or_else(|| reference.get("name"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(object) = lookup.find(kind, name) else {
            if reference["optional"] == true {
                return Ok(Some(Vec::new()));
            }
            let kind = if kind == "Secret" {
                "secret"
            } else {
                "configmap"
            };
            return Err(EnvError::NoObject {
                kind,
                name: name.to_owned(),
            });
        };
        return Ok(Some(pick(reference, data(kind, &object), default)));
    }
    Ok(None)
}

/// All keys as files, or those that `items` names.
fn pick(
    reference: &Value,
    data: std::collections::BTreeMap<String, Vec<u8>>,
    default: u32,
) -> Vec<Entry> {
    let Some(items) = reference.get("items").and_then(Value::as_array) else {
        return data.into_iter().map(|(k, v)| (k, default, v)).collect();
    };
    items
        .iter()
        .filter_map(|item| {
            let bytes = data.get(item["key"].as_str()?)?.clone();
            Some((
                item["path"].as_str()?.to_owned(),
                mode(item, "mode", default),
                bytes,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    struct Objects;
    impl Lookup for Objects {
        fn find(&self, kind: &'static str, name: &str) -> Option<Arc<Value>> {
            match (kind, name) {
                ("Secret", "s") => Some(Arc::new(json!({"data": {"a": "QQ==", "b": "Qg=="}}))),
                ("ConfigMap", "c") => Some(Arc::new(json!({"data": {"x": "plain"}}))),
                _ => None,
            }
        }
    }

    fn mounts(volume: Value, mount: Value) -> Result<Mounts, EnvError> {
        let pod = json!({"metadata": {"labels": {"app": "x"}}, "spec": {"volumes": [volume]}});
        resolve(&pod, &json!({"volumeMounts": [mount]}), &Objects, "token")
    }

    #[test]
    fn secrets_and_config_maps_become_files() {
        let m = mounts(
            json!({"name": "v", "secret": {"secretName": "s", "defaultMode": 256}}),
            json!({"name": "v", "mountPath": "/certs/"}),
        );
        let files = m.expect("mounts").files;
        assert_eq!(
            files[0],
            File {
                path: "/certs/a".into(),
                mode: 0o400,
                bytes: b"A".to_vec()
            }
        );
        let m = mounts(
            json!({"name": "v", "configMap": {"name": "c", "items": [{"key": "x", "path": "y.cnf"}]}}),
            json!({"name": "v", "mountPath": "/etc/x"}),
        );
        assert_eq!(m.expect("mounts").files[0].path, "/etc/x/y.cnf");
    }

    #[test]
    fn a_missing_source_is_an_error_unless_optional() {
        let missing = mounts(
            json!({"name": "v", "secret": {"secretName": "none"}}),
            json!({"name": "v", "mountPath": "/x"}),
        );
        assert_eq!(
            missing.expect_err("missing").to_string(),
            "secret \"none\" not found"
        );
        let optional = mounts(
            json!({"name": "v", "secret": {"secretName": "none", "optional": true}}),
            json!({"name": "v", "mountPath": "/x"}),
        );
        assert_eq!(optional.expect("mounts"), Mounts::default());
        let strange = mounts(
            json!({"name": "v", "hostPath": {"path": "/"}}),
            json!({"name": "v", "mountPath": "/x"}),
        );
        assert!(
            strange
                .expect_err("strange")
                .to_string()
                .contains("unsupported")
        );
    }

    #[test]
    fn an_empty_dir_is_a_directory_and_a_token_a_file() {
        let m = mounts(
            json!({"name": "v", "emptyDir": {}}),
            json!({"name": "v", "mountPath": "/data"}),
        )
        .expect("mounts");
        assert_eq!(m.directories, [("/data".to_owned(), "v".to_owned())]);
        let m = mounts(json!({"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}), json!({"name": "v", "mountPath": "/sa"})).expect("mounts");
        assert_eq!(m.files[0].path, "/sa/token");
    }
}
