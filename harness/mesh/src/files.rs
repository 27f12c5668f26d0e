//! From a cluster file to configuration files, for people who want to see what their resources become.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::{
    MeshConfig, MeshConfigError, Objects, ProxyConfig, ProxyId, SecretValue, admission, admit,
    compile, compile::envoy::socket_address,
};

/// A cluster file that cannot be compiled.
#[derive(Debug, Error)]
pub enum ClusterFileError {
    /// The text is not YAML, or an object lacks what makes it one.
    #[error("{file}:{line}:{column}: {message}")]
    Yaml {
        /// The file as named by the caller.
        file: String,
        /// From 1; 0 where unknown.
        line: u64,
        /// From 1; 0 where unknown.
        column: u64,
        /// What is wrong.
        message: String,
    },
    /// The mesh configuration cannot be used.
    #[error(transparent)]
    MeshConfig(#[from] MeshConfigError),
}

/// The filter by which an HTTP listener is known.
const HTTP_FILTER: &str = "envoy.filters.network.http_connection_manager";

/// Compiles a multi-document cluster file: file name to JSON, `proxy-NAME.json` for each pod with a
/// proxy (`listeners`, `clusters`, `endpoints`, `secrets` as digests) and `admission.json` (one entry
/// for each Istio object: `kind`, `namespace`, `name`, and `error`, `warnings` where there are any; `null`
/// without any). HTTP listeners are named there and no more; the embedded mesh does not make them.
///
/// `file` is the name that errors show. Objects that admission refuses take no effect. Where pods of two
/// namespaces share a name, the file's name is `proxy-NAME.NAMESPACE.json` for both.
pub fn compile_cluster_files(
    file: &str,
    text: &str,
    mesh: MeshConfig,
) -> Result<BTreeMap<String, Value>, ClusterFileError> {
    let objects: Vec<Arc<Value>> = read_objects(file, text)?
        .into_iter()
        .map(Arc::new)
        .collect();
    let mesh = Arc::new(mesh);
    let judged: Vec<Value> = objects.iter().filter_map(|o| judged(o, &mesh)).collect();
    let snapshot = Objects::new(mesh, objects);
    let proxies = snapshot.proxies();
    let mut files: BTreeMap<String, Value> = proxies
        .iter()
        .map(|proxy| {
            (
                file_name(proxy, &proxies),
                proxy_file(&compile(&snapshot, proxy)),
            )
        })
        .collect();
    let judged = if judged.is_empty() {
        Value::Null
    } else {
        judged.into()
    };
    files.insert("admission.json".into(), judged);
    Ok(files)
}

fn file_name(proxy: &ProxyId, all: &[ProxyId]) -> String {
    if all.iter().filter(|p| p.name == proxy.name).count() > 1 {
        return format!("proxy-{}.{}.json", proxy.name, proxy.namespace);
    }
    format!("proxy-{}.json", proxy.name)
}

/// Reads Kubernetes objects from YAML documents: a `List` is its items, empty documents are nothing,
/// `stringData` of a Secret becomes `data`, as an API server stores it.
pub fn read_objects(file: &str, text: &str) -> Result<Vec<Value>, ClusterFileError> {
    let mut objects = Vec::new();
    for (first_line, document) in documents(text) {
        let fail = |line: u64, column: u64, message: String| ClusterFileError::Yaml {
            file: file.to_owned(),
            line,
            column,
            message,
        };
        let value: Option<Value> = serde_saphyr::from_str(&document).map_err(|error| {
            let at = error.location();
            let line = at.as_ref().map_or(1, serde_saphyr::Location::line).max(1);
            let column = at.as_ref().map_or(1, serde_saphyr::Location::column).max(1);
            fail(first_line + line - 1, column, plain_message(&error))
        })?;
        let line = first_line + leading_blank_lines(&document);
        for item in items(value).map_err(|e| fail(line, 1, e))? {
            objects.push(stored(whole(item).map_err(|e| fail(line, 1, e))?));
        }
    }
    Ok(objects)
}

/// The reader's message without the place, which is said before it, and without the excerpt after it.
fn plain_message(error: &serde_saphyr::Error) -> String {
    error
        .without_snippet()
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The documents of a YAML text, each with the number of its first line.
fn documents(text: &str) -> Vec<(u64, String)> {
    let mut found: Vec<(u64, String)> = vec![(1, String::new())];
    for (number, line) in (1..).zip(text.lines()) {
        match line.strip_prefix("---") {
            Some(rest) if rest.is_empty() || rest.starts_with([' ', '\t', '\r']) => {
                found.push((number, format!("   {rest}\n")));
            }
            _ => {
                if let Some((_, document)) = found.last_mut() {
                    document.push_str(line);
                    document.push('\n');
                }
            }
        }
    }
    let says_something = |l: &str| !l.trim().is_empty() && !l.trim_start().starts_with('#');
    found.retain(|(_, document)| document.lines().any(says_something));
    found
}

fn leading_blank_lines(document: &str) -> u64 {
    let blank = |l: &&str| l.trim().is_empty() || l.trim_start().starts_with('#');
    document.lines().take_while(blank).map(|_| 1).sum()
}

fn items(document: Option<Value>) -> Result<Vec<Value>, String> {
    match document {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(mut list)) if list.get("kind").is_some_and(|k| k == "List") => {
            match list.remove("items") {
                Some(Value::Array(items)) => Ok(items),
                _ => Err("a List without items".to_owned()),
            }
        }
        Some(other) => Ok(vec![other]),
    }
}

fn whole(object: Value) -> Result<Value, String> {
    for field in ["apiVersion", "kind", "metadata/name"] {
        let value = object.pointer(&format!("/{field}")).and_then(Value::as_str);
        if value.is_none_or(str::is_empty) {
            return Err(format!(
                "not a Kubernetes object: {} is missing",
                field.replace('/', ".")
            ));
        }
    }
    Ok(object)
}

/// The object as an API server stores it.
fn stored(mut object: Value) -> Value {
    if object["kind"] == "Secret"
        && let Some(texts) = object.as_object_mut().and_then(|o| o.remove("stringData"))
    {
        for (key, text) in texts.as_object().into_iter().flatten() {
            object["data"][key] = STANDARD.encode(text.as_str().unwrap_or_default()).into();
        }
    }
    object
}

/// What admission says of an Istio object; `None` for others.
fn judged(object: &Value, mesh: &MeshConfig) -> Option<Value> {
    let (group, _) = object["apiVersion"].as_str()?.split_once('/')?;
    if !admission::is_istio_group(group) {
        return None;
    }
    let answer = admit(object, mesh);
    let mut entry = Map::new();
    entry.insert("kind".into(), object["kind"].clone());
    entry.insert("namespace".into(), object["metadata"]["namespace"].clone());
    entry.insert("name".into(), object["metadata"]["name"].clone());
    if let Some(error) = answer.istio_error().or(answer.error.as_deref()) {
        entry.insert("error".into(), error.into());
    }
    if !answer.warnings.is_empty() {
        entry.insert("warnings".into(), answer.warnings.into());
    }
    Some(entry.into())
}

/// The listeners, with the HTTP ones named: Istio's HTTP filter without what it would do.
fn with_http(config: &ProxyConfig) -> Vec<Value> {
    let mut listeners: Vec<Value> = config.listeners.iter().map(|l| (**l).clone()).collect();
    for place in &config.http {
        let name = format!("{}_{}", place.address, place.port);
        let chain = json!({"filters": [{"name": HTTP_FILTER}]});
        match listeners.iter_mut().find(|l| l["name"] == *name) {
            Some(listener) => {
                if let Some(chains) = listener["filter_chains"].as_array_mut() {
                    chains.push(chain);
                }
            }
            None => listeners.push(json!({
                "name": name,
                "address": socket_address(&place.address, place.port),
                "bind_to_port": false,
                "filter_chains": [chain],
            })),
        }
    }
    listeners
}

fn plain(resources: &[Arc<Value>]) -> Vec<&Value> {
    resources.iter().map(|r| &**r).collect()
}

fn proxy_file(config: &ProxyConfig) -> Value {
    let secrets: Map<String, Value> = config
        .secrets
        .iter()
        // The mesh's own certificates are another authority's business.
        .filter(|(_, s)| !matches!(s, Some(SecretValue::Workload { .. } | SecretValue::Root)))
        .map(|(name, secret)| {
            (
                name.clone(),
                secret.as_ref().map_or(Value::Null, SecretValue::digests),
            )
        })
        .collect();
    json!({
        "listeners": with_http(config),
        "clusters": plain(&config.clusters),
        "endpoints": plain(&config.endpoints),
        "secrets": secrets,
    })
}
