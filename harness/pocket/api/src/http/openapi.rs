//! OpenAPI v3: as much as `kubectl apply` reads to see that the server validates fields.

use serde_json::{Map, Value, json};

use super::discovery::{kinds, versions};
use crate::kinds::KindInfo;

/// The documents there are.
pub(super) fn index(groups: &[&str]) -> Value {
    let mut paths = Map::new();
    for group in std::iter::once(&"").chain(groups) {
        for version in versions(group) {
            let path = if group.is_empty() {
                format!("api/{version}")
            } else {
                format!("apis/{group}/{version}")
            };
            let url = format!("/openapi/v3/{path}");
            paths.insert(path, json!({ "serverRelativeURL": url }));
        }
    }
    json!({ "paths": paths })
}

/// The document of one group and version.
pub(super) fn document(path: &str) -> Option<Value> {
    let (group, version) = match path.split('/').collect::<Vec<_>>().as_slice() {
        ["api", version] => (String::new(), (*version).to_owned()),
        ["apis", group, version] => ((*group).to_owned(), (*version).to_owned()),
        _ => return None,
    };
    if !versions(&group).contains(&version.as_str()) {
        return None;
    }
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for info in kinds(&group, &version) {
        let kind = json!({ "group": group, "version": version, "kind": info.name });
        paths.insert(format!("/{path}/{}", object_path(info)), operations(&kind));
        schemas.insert(
            format!("{group}.{version}.{}", info.name),
            json!({ "type": "object", "x-kubernetes-group-version-kind": [kind] }),
        );
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": "v1.36.0" },
        "paths": paths,
        "components": { "schemas": schemas },
    }))
}

fn object_path(info: &KindInfo) -> String {
    let plural = info.plural;
    if info.namespaced {
        format!("namespaces/{{namespace}}/{plural}/{{name}}")
    } else {
        format!("{plural}/{{name}}")
    }
}

fn operations(kind: &Value) -> Value {
    let parameter = |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string", "uniqueItems": true } });
    let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation", "force"]
        .iter()
        .map(|name| parameter(name))
        .collect();
    json!({
        "get": { "x-kubernetes-action": "get", "x-kubernetes-group-version-kind": kind },
        "put": { "x-kubernetes-action": "put", "x-kubernetes-group-version-kind": kind, "parameters": parameters },
        "patch": { "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": kind, "parameters": parameters },
        "delete": { "x-kubernetes-action": "delete", "x-kubernetes-group-version-kind": kind },
    })
}
