//! Which secrets a configuration asks for, and what is served for them
//! (`pilot/pkg/xds/sds.go`, `pilot/pkg/credentials/kube`).

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    ProxyConfig,
    scope::Scope,
    tls::{CA_SUFFIX, CREDENTIAL, ROOT, WORKLOAD},
};
use crate::SecretValue;

/// All SDS names in listeners and clusters, with what is served.
pub(crate) fn asked_for(
    scope: &Scope<'_>,
    config: &ProxyConfig,
) -> BTreeMap<String, Option<SecretValue>> {
    let mut names = Vec::new();
    for value in config.listeners.iter().chain(&config.clusters) {
        collect(value, &mut names);
    }
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| (name.to_owned(), serve(scope, name)))
        .collect()
}

fn collect<'a>(value: &'a Value, names: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            if let (Some(name), true) = (
                fields.get("name").and_then(Value::as_str),
                fields.contains_key("sds_config"),
            ) {
                names.push(name);
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

fn serve(scope: &Scope<'_>, name: &str) -> Option<SecretValue> {
    match name {
        WORKLOAD => Some(SecretValue::Workload {
            spiffe_id: scope.pod.spiffe_id(scope.mesh.trust_domain()),
        }),
        ROOT => Some(SecretValue::Root),
        _ => credential(scope, name.strip_prefix(CREDENTIAL)?),
    }
}

/// A credential of the proxy's own namespace; another namespace's is not given out.
fn credential(scope: &Scope<'_>, name: &str) -> Option<SecretValue> {
    let name = match name.split_once('/') {
        Some((namespace, name)) if namespace == scope.namespace => name,
        Some(_) => return None,
        None => name,
    };
    let Some(bare) = name.strip_suffix(CA_SUFFIX) else {
        return key_pair(secret(scope, name)?);
    };
    // A Secret of the whole name comes first, and hides the authorities of the other.
    authorities(secret(scope, name).or_else(|| secret(scope, bare))?)
}

fn secret<'a>(scope: &Scope<'a>, name: &str) -> Option<&'a Value> {
    let key = (scope.namespace.to_owned(), name.to_owned());
    scope.objects.secrets.get(&key).map(|s| &s["data"])
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
