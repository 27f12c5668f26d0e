//! Which secrets a configuration asks for, and what is served for them
//! (`pilot/pkg/xds/sds.go`, `pilot/pkg/credentials/kube`).

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::tls::{CA_SUFFIX, CONFIG_MAP, CREDENTIAL, ROOT, SYSTEM_ROOTS, WORKLOAD};
use crate::{Objects, SecretValue, objects::pod::Pod};

/// What is served for SDS names.
pub(crate) fn serve(
    objects: &Objects,
    pod: &Pod,
    names: &BTreeSet<&str>,
) -> BTreeMap<String, Option<SecretValue>> {
    let served = |name: &&str| ((*name).to_owned(), value(objects, pod, name));
    names.iter().map(served).collect()
}

/// Adds the SDS names in a resource.
pub(crate) fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let (Some(name), true) = (
                fields.get("name").and_then(Value::as_str),
                fields.contains_key("sds_config"),
            ) {
                names.insert(name.to_owned());
            }
            for field in fields.values() {
                collect(field, names);
            }
        }
        Value::Array(values) => {
            for value in values {
                collect(value, names);
            }
        }
        _ => {}
    }
}

fn value(objects: &Objects, pod: &Pod, name: &str) -> Option<SecretValue> {
    match name {
        WORKLOAD => Some(SecretValue::Workload {
            spiffe_id: pod.spiffe_id(objects.mesh().trust_domain()),
        }),
        ROOT => Some(SecretValue::Root),
        SYSTEM_ROOTS => Some(SecretValue::SystemRoots),
        _ => match name.split_once(':')? {
            ("file-cert", files) => key_pair_of_files(objects, pod, files),
            ("file-root", file) => Some(SecretValue::Authorities {
                trusted_ca: file_bytes(objects, pod, file)?,
                crl: None,
            }),
            _ => match name.strip_prefix(CONFIG_MAP) {
                Some(name) => config_map(objects, name),
                None => credential(objects, &pod.meta.namespace, name.strip_prefix(CREDENTIAL)?),
            },
        },
    }
}

/// What the proxy's agent reads from two files of its container; it waits for files that are not there
/// (`security/pkg/nodeagent/cache/secretcache.go`).
fn key_pair_of_files(objects: &Objects, pod: &Pod, files: &str) -> Option<SecretValue> {
    let (certificate, key) = files.split_once('~')?;
    Some(SecretValue::KeyPair {
        certificate_chain: file_bytes(objects, pod, certificate)?,
        private_key: file_bytes(objects, pod, key)?,
    })
}

/// The bytes of a file that a Secret of the pod's namespace is mounted as.
fn file_bytes(objects: &Objects, pod: &Pod, file: &str) -> Option<Vec<u8>> {
    let (mount, key) = pod.mounts.iter().find_map(|m| Some((m, m.key(file)?)))?;
    let secret = (pod.meta.namespace.clone(), mount.secret.clone());
    let found = objects.secrets.get(&secret)?;
    bytes(&found["data"], key).filter(|b| !b.is_empty())
}

/// The authorities in a `ConfigMap`, of any namespace: they are no secret.
fn config_map(objects: &Objects, name: &str) -> Option<SecretValue> {
    let mut parts = name.split('/');
    let (namespace, name) = (parts.next()?, parts.next()?);
    let name = name.strip_suffix(CA_SUFFIX).unwrap_or(name);
    let key = (namespace.to_owned(), name.to_owned());
    let data = &objects.config_maps.get(&key)?["data"];
    let text = |key: &str| Some(data[key].as_str()?.as_bytes().to_vec());
    authorities(text)
}

/// A credential of the proxy's own namespace; another namespace's is not given out.
fn credential(objects: &Objects, own: &str, name: &str) -> Option<SecretValue> {
    let mut parts = name.split('/');
    let name = match (parts.next()?, parts.next()) {
        (name, None) => name,
        (namespace, Some(name)) if namespace == own => name,
        _ => return None,
    };
    let Some(bare) = name.strip_suffix(CA_SUFFIX) else {
        let data = secret(objects, own, name)?;
        return key_pair(|key| bytes(data, key));
    };
    // A Secret of the whole name comes first, and hides the authorities of the other.
    let data = secret(objects, own, name).or_else(|| secret(objects, own, bare))?;
    authorities(|key| bytes(data, key))
}

/// Types of Secrets that istiod does not look at.
const UNSEEN: &[&str] = &["helm.sh/release.v1", "kubernetes.io/service-account-token"];

fn secret<'a>(objects: &'a Objects, own: &str, name: &str) -> Option<&'a Value> {
    let key = (own.to_owned(), name.to_owned());
    let found = objects.secrets.get(&key)?;
    let kind = found["type"].as_str().unwrap_or_default();
    (!UNSEEN.contains(&kind)).then(|| &found["data"])
}

/// The bytes under a key of a Secret; `None` where there is no such key.
fn bytes(data: &Value, key: &str) -> Option<Vec<u8>> {
    STANDARD.decode(data[key].as_str()?).ok()
}

/// The first pair of keys that both have something behind them.
fn key_pair(value: impl Fn(&str) -> Option<Vec<u8>>) -> Option<SecretValue> {
    let some = |key| value(key).filter(|v| !v.is_empty());
    [("cert", "key"), ("tls.crt", "tls.key")]
        .into_iter()
        .find_map(|(certificate, key)| {
            Some(SecretValue::KeyPair {
                certificate_chain: some(certificate)?,
                private_key: some(key)?,
            })
        })
}

/// The first authorities that are not empty, with the revocation list of the same notation.
fn authorities(value: impl Fn(&str) -> Option<Vec<u8>>) -> Option<SecretValue> {
    [("cacert", "crl"), ("ca.crt", "ca.crl")]
        .into_iter()
        .find_map(|(authorities, list)| {
            Some(SecretValue::Authorities {
                trusted_ca: value(authorities).filter(|v| !v.is_empty())?,
                crl: value(list).filter(|v| !v.is_empty()),
            })
        })
}
