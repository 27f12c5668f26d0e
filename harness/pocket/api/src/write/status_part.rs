//! `status` belongs to the `status` subresource: other writes neither set nor change it.

use serde_json::{Value, json};

use crate::kinds::Kind;

/// The status of a new object, whatever the client sent.
pub(crate) fn reset(kind: Kind, object: &mut Value) {
    let status = match kind {
        Kind::Namespace => json!({ "phase": "Active" }),
        Kind::Pod => json!({ "phase": "Pending", "qosClass": quality(object) }),
        Kind::Service => json!({ "loadBalancer": {} }),
        Kind::PersistentVolumeClaim => json!({ "phase": "Pending" }),
        Kind::Deployment => json!({}),
        Kind::ReplicaSet => json!({ "replicas": 0 }),
        // Nodes and custom kinds keep what they come with: a kubelet registers with its status.
        _ => return,
    };
    object["status"] = status;
}

/// Puts the stored status back.
pub(crate) fn keep(object: &mut Value, old: &Value) {
    match old.get("status") {
        Some(status) => object["status"] = status.clone(),
        None => {
            if let Some(object) = object.as_object_mut() {
                object.remove("status");
            }
        }
    }
}

/// A write of the status subresource: the stored object with the new status.
pub(crate) fn graft(object: &Value, old: &Value) -> Value {
    let mut result = old.clone();
    keep(&mut result, object);
    result
}

/// Quality of service: `Guaranteed` when every container's cpu and memory limits equal its
/// requests, `BestEffort` when nothing is asked for, else `Burstable`.
fn quality(pod: &Value) -> &'static str {
    let lists = ["containers", "initContainers"];
    let containers: Vec<&Value> = lists
        .iter()
        .filter_map(|list| pod["spec"][list].as_array())
        .flatten()
        .collect();
    let amount =
        |container: &Value, part: &str, name: &str| container["resources"][part].get(name).cloned();
    let asks = |container: &&Value| {
        ["requests", "limits"].iter().any(|part| {
            ["cpu", "memory"]
                .iter()
                .any(|name| amount(container, part, name).is_some())
        })
    };
    if !containers.iter().any(asks) {
        return "BestEffort";
    }
    let guaranteed = |container: &&Value| {
        ["cpu", "memory"].iter().all(|name| {
            let limit = amount(container, "limits", name);
            limit.is_some() && limit == amount(container, "requests", name)
        })
    };
    if containers.iter().all(guaranteed) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}
