//! From a cluster file to configuration files, for people who want to see what their resources become.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::{
    Admission, MeshConfig, MeshConfigError, Objects, ProxyConfig, ProxyId, SecretValue, admission,
    admit, compile, compile::envoy::socket_address,
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

/// The name of the file that says which objects give way to which.
pub const CONFLICTS_FILE: &str = "conflicts.json";

/// The filter by which an HTTP listener is known.
const HTTP_FILTER: &str = "envoy.filters.network.http_connection_manager";

/// Compiles a multi-document cluster file: file name to JSON, `proxy-NAME.json` for each pod with a
/// proxy (`listeners`, `clusters`, `endpoints`, `secrets` as digests) and `admission.json` (one entry
/// for each Istio object: `kind`, `namespace`, `name`, and `error`, `warnings` where there are any; `null`
/// without any). Where objects give way to others, [`CONFLICTS_FILE`] has a sentence for each. HTTP listeners are named there and no more; the embedded mesh does not make them.
///
/// `file` is the name that errors show. Objects that admission refuses take no effect. Where pods of two
/// namespaces share a name, the file's name is `proxy-NAME.NAMESPACE.json` for both.
pub fn compile_cluster_files(
    file: &str,
    text: &str,
    mesh: MeshConfig,
) -> Result<BTreeMap<String, Value>, ClusterFileError> {
    Ok(ClusterFile::read(file, text)?.compile(mesh))
}

/// The objects of a cluster file.
#[derive(Debug)]
pub struct ClusterFile {
    /// Each with the line of the document that it is in.
    objects: Vec<(u64, Arc<Value>)>,
}

/// What admission says of an object of a cluster file.
#[derive(Debug)]
pub struct Judged {
    /// The first line of the object's document.
    pub line: u64,
    /// Of the object, empty where it has none.
    pub kind: String,
    /// Of the object, empty where it has none.
    pub namespace: String,
    /// Of the object.
    pub name: String,
    /// What is said of it.
    pub answer: Admission,
}

impl ClusterFile {
    /// Reads a multi-document file; `file` is the name that errors show.
    pub fn read(file: &str, text: &str) -> Result<Self, ClusterFileError> {
        let objects = placed_objects(file, text)?;
        let objects = objects.into_iter().map(|(l, o)| (l, Arc::new(o)));
        Ok(Self {
            objects: objects.collect(),
        })
    }

    /// The objects, as an API server would store them.
    pub fn objects(&self) -> Vec<Arc<Value>> {
        self.objects.iter().map(|(_, o)| Arc::clone(o)).collect()
    }

    /// What admission says of each Istio object.
    pub fn judge(&self, mesh: &MeshConfig) -> Vec<Judged> {
        let objects = self.objects.iter().filter(|(_, o)| is_istio(o));
        objects
            .map(|(line, object)| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                Judged {
                    line: *line,
                    kind: text(&object["kind"]),
                    namespace: text(&object["metadata"]["namespace"]),
                    name: text(&object["metadata"]["name"]),
                    answer: admit(object, mesh),
                }
            })
            .collect()
    }

    /// See [`compile_cluster_files`].
    pub fn compile(&self, mesh: MeshConfig) -> BTreeMap<String, Value> {
        let judged: Vec<Value> = self.judge(&mesh).into_iter().map(Judged::entry).collect();
        let snapshot = Objects::new(Arc::new(mesh), self.objects());
        let proxies = snapshot.proxies();
        let mut files = BTreeMap::new();
        let mut conflicts = BTreeSet::new();
        for proxy in &proxies {
            let config = compile(&snapshot, proxy);
            files.insert(file_name(proxy, &proxies), proxy_file(&config));
            conflicts.extend(config.conflicts.iter().map(ToString::to_string));
        }
        if !conflicts.is_empty() {
            let conflicts: Vec<String> = conflicts.into_iter().collect();
            files.insert(CONFLICTS_FILE.into(), conflicts.into());
        }
        let judged = if judged.is_empty() {
            Value::Null
        } else {
            judged.into()
        };
        files.insert("admission.json".into(), judged);
        files
    }
}

impl Judged {
    /// The entry in `admission.json`.
    fn entry(self) -> Value {
        let Admission { warnings, .. } = &self.answer;
        let error = self.answer.istio_error().or(self.answer.error.as_deref());
        let mut entry = Map::new();
        entry.insert("kind".into(), self.kind.clone().into());
        let namespace = Some(self.namespace.clone()).filter(|n| !n.is_empty());
        entry.insert("namespace".into(), namespace.into());
        entry.insert("name".into(), self.name.clone().into());
        if let Some(error) = error {
            entry.insert("error".into(), error.into());
        }
        if !warnings.is_empty() {
            entry.insert("warnings".into(), warnings.clone().into());
        }
        entry.into()
    }
}

fn is_istio(object: &Value) -> bool {
    let version = object["apiVersion"].as_str();
    let group = version.and_then(|v| v.split_once('/'));
    group.is_some_and(|(group, _)| admission::is_istio_group(group))
}

fn file_name(proxy: &ProxyId, all: &[ProxyId]) -> String {
    if all.iter().filter(|p| p.name == proxy.name).count() > 1 {
        return format!("proxy-{}.{}.json", proxy.name, proxy.namespace);
    }
    format!("proxy-{}.json", proxy.name)
}

/// Reads Kubernetes objects from YAML documents, each with its document's first line: a `List` is its
/// items, empty documents are nothing, `stringData` of a Secret becomes `data`, as an API server stores it.
fn placed_objects(file: &str, text: &str) -> Result<Vec<(u64, Value)>, ClusterFileError> {
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
            let object = whole(item).and_then(stored);
            objects.push((line, object.map_err(|e| fail(line, 1, e))?));
        }
    }
    Ok(objects)
}

/// What the reader says to programmers, and what to say instead.
const READERS_WORDS: &[(&str, &str)] = &[
    (
        "multiple YAML documents detected",
        "a second document begins here: put `---` between them",
    ),
    (
        "recursion limit exceeded",
        "nested too deep: no Kubernetes object is",
    ),
    (
        "budget breached: Depth",
        "nested too deep: no Kubernetes object is",
    ),
    (
        "budget breached",
        "too large for one document: put its parts into documents of their own",
    ),
];

/// The reader's message without the place, which is said before it (and which counts from the document's
/// beginning), without the excerpt after it, and without advice to programmers.
fn plain_message(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    let own = READERS_WORDS
        .iter()
        .find(|(said, _)| line.starts_with(said));
    if let Some((_, own)) = own {
        return (*own).to_owned();
    }
    let line = line.split(" at line ").next().unwrap_or_default();
    let line = line.split(", set DuplicateKeyPolicy").next();
    line.unwrap_or_default().to_owned()
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
fn stored(mut object: Value) -> Result<Value, String> {
    if object["kind"] != "Secret" {
        return Ok(object);
    }
    let Some(texts) = object.as_object_mut().and_then(|o| o.remove("stringData")) else {
        return Ok(object);
    };
    let texts = members(&texts, "stringData")?;
    let mut data = members(&object["data"], "data")?;
    for (key, text) in texts {
        let text = text
            .as_str()
            .ok_or_else(|| format!("stringData.{key} of a Secret must be a string"))?;
        data.insert(key, STANDARD.encode(text).into());
    }
    object["data"] = data.into();
    Ok(object)
}

fn members(value: &Value, field: &str) -> Result<Map<String, Value>, String> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(values) => Ok(values.clone()),
        _ => Err(format!("{field} of a Secret must be an object")),
    }
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
        // The mesh's own certificates are another authority's business, files the container's.
        .filter(|(name, s)| {
            let elsewhere = matches!(s, Some(SecretValue::Workload { .. } | SecretValue::Root));
            !elsewhere && !name.starts_with("file-")
        })
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
