//! Values that Kubernetes fills in where a client leaves them out (its `pkg/apis/*/defaults`).

mod pod;
mod service;
mod workload;

use serde_json::{Map, Value};

use crate::kinds::Kind;
use crate::object::{default_to, map_mut};

pub(crate) use self::pod::admit as admit_pod;
pub(crate) use self::service::Addresses;

/// Fills in the kind's defaults.
pub(crate) fn apply(kind: Kind, object: &mut Value) {
    match kind {
        Kind::Namespace => namespace(object),
        Kind::Pod => pod::apply(object),
        Kind::Deployment => workload::deployment(object),
        Kind::ReplicaSet => workload::replica_set(object),
        Kind::Service => service::apply(object),
        Kind::Secret => secret(object),
        Kind::PersistentVolumeClaim => {
            default_to(map_mut(object, "spec"), "volumeMode", "Filesystem");
        }
        Kind::RoleBinding | Kind::ClusterRoleBinding => binding(object),
        Kind::ConfigMap => drop_empty_map(object, "data"),
        Kind::EndpointSlice => endpoint_slice(object),
        Kind::Event => event(object),
        _ => {}
    }
}

fn namespace(object: &mut Value) {
    let name = crate::object::name(object).to_owned();
    if name.is_empty() {
        return;
    }
    let labels = map_mut(&mut object["metadata"], "labels");
    labels.insert("kubernetes.io/metadata.name".into(), name.into());
}

fn secret(object: &mut Value) {
    let Some(secret) = object.as_object_mut() else {
        return;
    };
    default_to(secret, "type", "Opaque");
    let Some(Value::Object(clear)) = secret.remove("stringData") else {
        return;
    };
    let data = map_mut(object, "data");
    for (key, value) in clear {
        let text = value.as_str().unwrap_or_default();
        data.insert(
            key,
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text).into(),
        );
    }
}

fn drop_empty_map(object: &mut Value, key: &str) {
    if object
        .get(key)
        .and_then(Value::as_object)
        .is_some_and(Map::is_empty)
        && let Some(object) = object.as_object_mut()
    {
        object.shift_remove(key);
    }
}

fn event(object: &mut Value) {
    let Some(event) = object.as_object_mut() else {
        return;
    };
    default_to(event, "eventTime", Value::Null);
    default_to(event, "reportingComponent", "");
    default_to(event, "reportingInstance", "");
}

fn binding(object: &mut Value) {
    default_to(
        map_mut(object, "roleRef"),
        "apiGroup",
        "rbac.authorization.k8s.io",
    );
    each(object.get_mut("subjects"), |subject| {
        if subject
            .get("kind")
            .is_some_and(|kind| kind == "User" || kind == "Group")
        {
            default_to(subject, "apiGroup", "rbac.authorization.k8s.io");
        }
    });
}

fn endpoint_slice(object: &mut Value) {
    each(object.get_mut("ports"), |port| {
        default_to(port, "name", "");
        default_to(port, "protocol", "TCP");
    });
}

/// Calls `change` with each map of a list.
fn each(list: Option<&mut Value>, mut change: impl FnMut(&mut Map<String, Value>)) {
    for item in list.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(map) = item.as_object_mut() {
            change(map);
        }
    }
}
