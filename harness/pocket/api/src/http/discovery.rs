//! What the server serves: aggregated and old discovery, version, health.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::path::Target;
use super::{negotiate, openapi, render};
use crate::kinds::{KINDS, KindInfo, Subresource, api_version};
use crate::status::StatusError;

/// Kubernetes version that the embedded clusters follow.
const MAJOR: &str = "1";
const MINOR: &str = "36";

const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
const NAMESPACE_VERBS: &[&str] = &[
    "create", "delete", "get", "list", "patch", "update", "watch",
];
const CUSTOM_VERBS: &[&str] = &[
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "create",
    "update",
    "watch",
];

/// Groups in the order of preference, with their versions.
const GROUPS: &[&str] = &[
    "apps",
    "authorization.k8s.io",
    "rbac.authorization.k8s.io",
    "apiextensions.k8s.io",
    "discovery.k8s.io",
    "networking.istio.io",
    "security.istio.io",
    "telemetry.istio.io",
];

pub(super) fn answer(target: &Target, headers: &HeaderMap) -> Result<Response, StatusError> {
    match target {
        Target::Version => render::json(StatusCode::OK, &version()),
        Target::Health => Ok(render::with_type(
            StatusCode::OK,
            "text/plain; charset=utf-8",
            "ok".into(),
        )),
        Target::Core if negotiate::wants_aggregated(headers) => aggregated(&[""]),
        Target::Groups if negotiate::wants_aggregated(headers) => aggregated(GROUPS),
        Target::Core => render::json(
            StatusCode::OK,
            &json!({
                "kind": "APIVersions",
                "versions": ["v1"],
                "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:443" }],
            }),
        ),
        Target::Groups => {
            let groups: Vec<Value> = GROUPS.iter().map(|group| group_entry(group)).collect();
            render::json(
                StatusCode::OK,
                &json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }),
            )
        }
        Target::Group(group) => {
            let mut entry = group_entry(group);
            entry["kind"] = "APIGroup".into();
            entry["apiVersion"] = "v1".into();
            render::json(StatusCode::OK, &entry)
        }
        Target::GroupVersion(group, version) => {
            render::json(StatusCode::OK, &resources(group, version))
        }
        Target::OpenApi => render::json(StatusCode::OK, &openapi::index(GROUPS)),
        Target::OpenApiOf(path) => match openapi::document(path) {
            Some(document) => render::json(StatusCode::OK, &document),
            None => Ok(render::page_not_found()),
        },
        Target::AccessReview => Err(StatusError::method_not_allowed()),
        Target::Resource(_) | Target::Unknown | Target::NoPath => Err(StatusError::no_resource()),
    }
}

fn version() -> Value {
    json!({
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": "35",
        "gitVersion": format!("v{MAJOR}.{MINOR}.0+meshproof"),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": "linux/amd64",
    })
}

/// Versions of a group, the preferred first.
pub(super) fn versions(group: &str) -> Vec<&'static str> {
    if group == "authorization.k8s.io" {
        return vec!["v1"];
    }
    let mut versions: Vec<&str> = Vec::new();
    for info in KINDS.iter().filter(|info| info.group == group) {
        for version in info.versions {
            if !versions.contains(version) {
                versions.push(version);
            }
        }
    }
    versions
}

fn group_entry(group: &str) -> Value {
    let versions: Vec<Value> = versions(group)
        .iter()
        .map(|version| json!({ "groupVersion": api_version(group, version), "version": version }))
        .collect();
    json!({ "name": group, "preferredVersion": versions.first(), "versions": versions })
}

/// Kinds of one group and version, by plural.
pub(super) fn kinds(group: &str, version: &str) -> Vec<&'static KindInfo> {
    let mut kinds: Vec<_> = KINDS
        .iter()
        .filter(|info| info.group == group && info.versions.contains(&version))
        .collect();
    kinds.sort_by_key(|info| info.plural);
    kinds
}

fn verbs(info: &KindInfo) -> &'static [&'static str] {
    match info.name {
        "Namespace" => NAMESPACE_VERBS,
        _ if info.is_custom() => CUSTOM_VERBS,
        _ => VERBS,
    }
}

fn resources(group: &str, version: &str) -> Value {
    let mut list = Vec::new();
    for info in kinds(group, version) {
        list.push(resource(info));
        list.extend(info.subresources.iter().map(|sub| subresource(info, sub)));
    }
    if group == "authorization.k8s.io" {
        list.push(json!({
            "name": "selfsubjectaccessreviews",
            "singularName": "selfsubjectaccessreview",
            "namespaced": false,
            "kind": "SelfSubjectAccessReview",
            "verbs": ["create"],
        }));
    }
    let mut value = json!({ "kind": "APIResourceList", "groupVersion": api_version(group, version), "resources": list });
    if !group.is_empty() {
        value["apiVersion"] = "v1".into();
    }
    value
}

fn resource(info: &KindInfo) -> Value {
    let mut value = json!({
        "name": info.plural,
        "singularName": info.singular,
        "namespaced": info.namespaced,
        "kind": info.name,
        "verbs": verbs(info),
    });
    if !info.short.is_empty() {
        value["shortNames"] = json!(info.short);
    }
    if !info.categories.is_empty() {
        value["categories"] = json!(info.categories);
    }
    value
}

fn subresource(info: &KindInfo, sub: &Subresource) -> Value {
    let mut value = json!({
        "name": format!("{}/{}", info.plural, sub.name),
        "singularName": "",
        "namespaced": info.namespaced,
        "kind": if sub.kind.is_empty() { info.name } else { sub.kind },
        "verbs": sub.verbs,
    });
    if let Some((group, version)) = sub.group_version {
        value["group"] = group.into();
        value["version"] = version.into();
    }
    value
}

fn aggregated(groups: &[&str]) -> Result<Response, StatusError> {
    let items: Vec<Value> = groups.iter().map(|group| aggregated_group(group)).collect();
    let list = json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items });
    let mut response = render::json(StatusCode::OK, &list)?;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static(
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        ),
    );
    Ok(response)
}

fn aggregated_group(group: &str) -> Value {
    let versions: Vec<Value> = versions(group)
        .iter()
        .map(|version| {
            let mut resources: Vec<Value> = kinds(group, version).iter().map(|info| aggregated_kind(info, version)).collect();
            if group == "authorization.k8s.io" {
                resources.push(json!({
                    "resource": "selfsubjectaccessreviews",
                    "responseKind": { "group": "", "version": "", "kind": "SelfSubjectAccessReview" },
                    "scope": "Cluster",
                    "singularResource": "selfsubjectaccessreview",
                    "verbs": ["create"],
                }));
            }
            json!({ "version": version, "freshness": "Current", "resources": resources })
        })
        .collect();
    let metadata = if group.is_empty() {
        json!({})
    } else {
        json!({ "name": group })
    };
    json!({ "metadata": metadata, "versions": versions })
}

fn aggregated_kind(info: &KindInfo, version: &str) -> Value {
    // Built-in kinds leave group and version to the surrounding entry.
    let (group, version) = if info.is_custom() {
        (info.group, version)
    } else {
        ("", "")
    };
    let mut value = json!({
        "resource": info.plural,
        "responseKind": { "group": group, "version": version, "kind": info.name },
        "scope": if info.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": info.singular,
        "verbs": verbs(info),
    });
    if !info.short.is_empty() {
        value["shortNames"] = json!(info.short);
    }
    if !info.categories.is_empty() {
        value["categories"] = json!(info.categories);
    }
    let subresources: Vec<Value> = info
        .subresources
        .iter()
        .map(|sub| {
            let (sub_group, sub_version) = sub.group_version.unwrap_or((group, version));
            let kind = if sub.kind.is_empty() {
                info.name
            } else {
                sub.kind
            };
            json!({
                "subresource": sub.name,
                "responseKind": { "group": sub_group, "version": sub_version, "kind": kind },
                "verbs": sub.verbs,
            })
        })
        .collect();
    if !subresources.is_empty() {
        value["subresources"] = subresources.into();
    }
    value
}
