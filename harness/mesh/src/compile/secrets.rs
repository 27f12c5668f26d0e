//! Which secrets a configuration asks for, and what is served for them
//! (`pilot/pkg/xds/sds.go`, `pilot/pkg/credentials/kube`).

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::tls::{CA_SUFFIX, CREDENTIAL, ROOT, WORKLOAD};
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
        _ => credential(objects, &pod.meta.namespace, name.strip_prefix(CREDENTIAL)?),
    }
}

/// A credential of the proxy's own namespace; another namespace's is not given out.
fn credential(objects: &Objects, own: &str, name: &str) -> Option<SecretValue> {
    let name = match name.split_once('/') {
        Some((namespace, name)) if namespace == own => name,
        Some(_) => return None,
        None => name,
    };
    let Some(bare) = name.strip_suffix(CA_SUFFIX) else {
        return key_pair(secret(objects, own, name)?);
    };
    // A Secret of the whole name comes first, and hides the authorities of the other.
    authorities(secret(objects, own, name).or_else(|| secret(objects, own, bare))?)
}

fn secret<'a>(objects: &'a Objects, own: &str, name: &str) -> Option<&'a Value> {
    let key = (own.to_owned(), name.to_owned());
    objects.secrets.get(&key).map(|s| &s["data"])
}

/// The bytes under a key; `None` where there are none.
fn bytes(data: &Value, key: &str) -> Option<Vec<u8>> {
    let found = STANDARD.decode(data[key].as_str()?).ok()?;
    (!found.is_empty()).then_some(found)
}

fn key_pair(data: &Value) -> Option<SecretValue> {
    [("cert", "key"), ("tls.crt", "tls.key")]
        .into_iter()
        .find_map(|(certificate, key)| {
            Some(SecretValue::KeyPair {
                certificate_chain: bytes(data, certificate)?,
                private_key: bytes(data, key)?,
            })
        })
}

fn authorities(data: &Value) -> Option<SecretValue> {
    [("cacert", "crl"), ("ca.crt", "ca.crl")]
        .into_iter()
        .find_map(|(authorities, list)| {
            Some(SecretValue::Authorities {
                trusted_ca: bytes(data, authorities)?,
                crl: bytes(data, list),
            })
        })
}
