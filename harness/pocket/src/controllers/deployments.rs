//! Deployments and `ReplicaSets`: which pods should exist. Pure.
//!
//! A Deployment owns one ReplicaSet per pod template, named after the template's hash; the newest
//! gets the replicas and the others none. Old pods go when as many new ones are ready, which is
//! what `maxUnavailable: 0` gives on a real cluster.

use std::sync::Arc;

use serde_json::{Value, json};

use super::endpoints::is_ready;

/// What is to be done to bring the objects to what a Deployment or ReplicaSet asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Create this object, through admission.
    Create(Value),
    /// Set `spec.replicas` of a ReplicaSet.
    Scale {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// The new number.
        replicas: u64,
    },
    /// Delete a pod.
    DeletePod {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
    },
    /// Write `status`.
    Status(Value),
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn replicas(object: &Value) -> u64 {
    object
        .pointer("/spec/replicas")
        .and_then(Value::as_u64)
        .unwrap_or(1)
}

fn owned(owner: &Value, all: &[Arc<Value>]) -> Vec<Arc<Value>> {
    let uid = text(owner, "/metadata/uid");
    let controls = |o: &Value| {
        o.pointer("/metadata/ownerReferences")
            .and_then(Value::as_array)
            .is_some_and(|refs| {
                refs.iter()
                    .any(|r| r["controller"] == true && r["uid"] == uid)
            })
    };
    all.iter()
        .filter(|o| !uid.is_empty() && controls(o))
        .cloned()
        .collect()
}

fn owner_reference(owner: &Value, kind: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true})
}

/// The hash of a pod template, as the label `pod-template-hash` carries it.
pub(crate) fn template_hash(deployment: &Value) -> String {
    super::generated(&deployment["spec"]["template"].to_string(), 10)
}

/// What a Deployment needs done.
pub(crate) fn deployment(deployment: &Value, sets: &[Arc<Value>], now: &str) -> Vec<Action> {
    if deployment.pointer("/metadata/deletionTimestamp").is_some() {
        return Vec::new();
    }
    let hash = template_hash(deployment);
    let sets = owned(deployment, sets);
    let mut actions = Vec::new();
    let wanted = replicas(deployment);
    let newest = sets
        .iter()
        .find(|s| text(s, "/metadata/labels/pod-template-hash") == hash);
    match newest {
        None => actions.push(Action::Create(replica_set(deployment, &hash))),
        Some(set) if replicas(set) != wanted => actions.push(scale(set, wanted)),
        Some(set) => {
            let rolled_out = set
                .pointer("/status/readyReplicas")
                .and_then(Value::as_u64)
                .unwrap_or(0)
                >= wanted;
            let old = sets
                .iter()
                .filter(|s| !Arc::ptr_eq(s, set) && replicas(s) > 0);
            actions.extend(old.filter(|_| rolled_out).map(|s| scale(s, 0)));
        }
    }
    let status = deployment_status(deployment, &sets, newest.map(AsRef::as_ref), now);
    if status != deployment["status"] {
        actions.push(Action::Status(status));
    }
    actions
}

fn scale(set: &Value, replicas: u64) -> Action {
    Action::Scale {
        namespace: text(set, "/metadata/namespace").into(),
        name: text(set, "/metadata/name").into(),
        replicas,
    }
}

fn replica_set(deployment: &Value, hash: &str) -> Value {
    let mut template = deployment["spec"]["template"].clone();
    template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"]["pod-template-hash"] = json!(hash);
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", text(deployment, "/metadata/name")),
            "namespace": deployment["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
            "ownerReferences": [owner_reference(deployment, "Deployment")],
        },
        "spec": {"replicas": replicas(deployment), "selector": selector, "template": template},
    })
}

fn deployment_status(
    deployment: &Value,
    sets: &[Arc<Value>],
    newest: Option<&Value>,
    now: &str,
) -> Value {
    let sum = |field: &str| -> u64 {
        sets.iter()
            .filter_map(|s| {
                s.pointer(&format!("/status/{field}"))
                    .and_then(Value::as_u64)
            })
            .sum()
    };
    let (all, ready) = (sum("replicas"), sum("readyReplicas"));
    let updated = newest
        .and_then(|s| s.pointer("/status/replicas"))
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let wanted = replicas(deployment);
    let available = ready >= wanted;
    let name = newest.map_or_else(String::new, |s| text(s, "/metadata/name").to_owned());
    let conditions = [
        if available {
            (
                "Available",
                "True",
                "MinimumReplicasAvailable",
                "Deployment has minimum availability.".to_owned(),
            )
        } else {
            (
                "Available",
                "False",
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.".to_owned(),
            )
        },
        if available && updated >= wanted {
            (
                "Progressing",
                "True",
                "NewReplicaSetAvailable",
                format!("ReplicaSet \"{name}\" has successfully progressed."),
            )
        } else {
            (
                "Progressing",
                "True",
                "ReplicaSetUpdated",
                format!("ReplicaSet \"{name}\" is progressing."),
            )
        },
    ];
    let before = &deployment["status"]["conditions"];
    let mut status = json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "conditions": conditions.iter().map(|c| condition(before, c, now)).collect::<Vec<_>>(),
    });
    for (field, n) in [
        ("replicas", all),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", ready),
        ("unavailableReplicas", wanted.saturating_sub(ready)),
    ] {
        // Counts of zero are left out of the wire format.
        if n > 0 {
            status[field] = json!(n);
        }
    }
    status
}

fn condition(
    before: &Value,
    (kind, status, reason, message): &(&str, &str, &str, String),
    now: &str,
) -> Value {
    let old = before
        .as_array()
        .into_iter()
        .flatten()
        .find(|c| c["type"] == *kind);
    let same = old.filter(|c| c["status"] == *status);
    let since = same
        .and_then(|c| c["lastTransitionTime"].as_str())
        .unwrap_or(now);
    let unchanged = same.filter(|c| c["reason"] == *reason && c["message"] == message.as_str());
    let updated = unchanged
        .and_then(|c| c["lastUpdateTime"].as_str())
        .unwrap_or(now);
    json!({"type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": since, "lastUpdateTime": updated})
}

/// What a ReplicaSet needs done.
pub(crate) fn replica_set_pods(set: &Value, pods: &[Arc<Value>]) -> Vec<Action> {
    if set.pointer("/metadata/deletionTimestamp").is_some() {
        return Vec::new();
    }
    let mut pods = owned(set, pods);
    pods.retain(|p| {
        p.pointer("/metadata/deletionTimestamp").is_none()
            && !matches!(
                p.pointer("/status/phase").and_then(Value::as_str),
                Some("Succeeded" | "Failed")
            )
    });
    let wanted = usize::try_from(replicas(set)).unwrap_or(usize::MAX);
    let mut actions: Vec<Action> = (pods.len()..wanted)
        .map(|_| Action::Create(pod(set)))
        .collect();
    // Pods that are not ready go first.
    let mut surplus: Vec<&Arc<Value>> = pods.iter().collect();
    surplus.sort_by_key(|p| is_ready(p));
    actions.extend(
        surplus
            .iter()
            .take(pods.len().saturating_sub(wanted))
            .map(|p| Action::DeletePod {
                namespace: text(p, "/metadata/namespace").into(),
                name: text(p, "/metadata/name").into(),
            }),
    );
    let ready = pods.iter().filter(|p| is_ready(p)).count();
    let mut status =
        json!({"replicas": pods.len(), "observedGeneration": set["metadata"]["generation"]});
    if !pods.is_empty() {
        status["fullyLabeledReplicas"] = json!(pods.len());
    }
    if ready > 0 {
        status["readyReplicas"] = json!(ready);
        status["availableReplicas"] = json!(ready);
    }
    if status != set["status"] {
        actions.push(Action::Status(status));
    }
    actions
}

fn pod(set: &Value) -> Value {
    let mut metadata = set["spec"]["template"]["metadata"].clone();
    metadata["generateName"] = json!(format!("{}-", text(set, "/metadata/name")));
    metadata["namespace"] = set["metadata"]["namespace"].clone();
    metadata["ownerReferences"] = json!([owner_reference(set, "ReplicaSet")]);
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": set["spec"]["template"]["spec"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mysql(replicas: u64, image: &str) -> Value {
        json!({"metadata": {"name": "mysql", "namespace": "default", "uid": "d", "generation": 1},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "mysql"}},
                "template": {"metadata": {"labels": {"app": "mysql"}}, "spec": {"containers": [{"name": "mysql", "image": image}]}}}})
    }

    fn set_of(d: &Value, ready: u64) -> Arc<Value> {
        let Action::Create(mut set) = deployment(d, &[], "t")[0].clone() else {
            panic!("no set")
        };
        set["metadata"]["uid"] = json!(format!("s-{}", template_hash(d)));
        set["status"] = json!({"replicas": 1, "readyReplicas": ready});
        Arc::new(set)
    }

    #[test]
    fn a_new_deployment_gets_a_set_and_the_set_its_pods() {
        let d = mysql(2, "mysql:5.6");
        let set = set_of(&d, 0);
        assert_eq!(
            text(&set, "/metadata/name"),
            format!("mysql-{}", template_hash(&d))
        );
        let actions = replica_set_pods(&set, &[]);
        let created: Vec<_> = actions
            .iter()
            .filter(|a| matches!(a, Action::Create(_)))
            .collect();
        assert_eq!(created.len(), 2);
        let Action::Create(pod) = created[0] else {
            unreachable!()
        };
        assert_eq!(
            pod["metadata"]["labels"]["pod-template-hash"],
            json!(template_hash(&d))
        );
    }

    #[test]
    fn an_old_set_goes_when_the_new_one_is_ready() {
        let old = set_of(&mysql(1, "mysql:5.6"), 1);
        let d = mysql(1, "mysql:8.4");
        let scaled = |ready| {
            deployment(&d, &[old.clone(), set_of(&d, ready)], "t")
                .iter()
                .any(|a| matches!(a, Action::Scale { replicas: 0, .. }))
        };
        assert!(!scaled(0));
        assert!(scaled(1));
    }

    #[test]
    fn a_settled_deployment_needs_nothing() {
        let mut d = mysql(1, "mysql:5.6");
        let sets = [set_of(&d, 1)];
        let Some(Action::Status(status)) = deployment(&d, &sets, "t1").pop() else {
            panic!("no status")
        };
        assert_eq!(status["availableReplicas"], 1);
        d["status"] = status;
        assert_eq!(deployment(&d, &sets, "t2"), []);
    }

    #[test]
    fn surplus_pods_are_deleted_the_unready_ones_first() {
        let set = set_of(&mysql(1, "mysql:5.6"), 1);
        let pod = |name: &str, ready: &str| {
            Arc::new(
                json!({"metadata": {"name": name, "namespace": "default", "ownerReferences": [{"controller": true, "uid": set["metadata"]["uid"]}]},
                "status": {"conditions": [{"type": "Ready", "status": ready}]}}),
            )
        };
        let actions = replica_set_pods(&set, &[pod("a", "True"), pod("b", "False")]);
        assert!(actions.contains(&Action::DeletePod {
            namespace: "default".into(),
            name: "b".into()
        }));
        assert_eq!(
            actions
                .iter()
                .filter(|a| matches!(a, Action::DeletePod { .. }))
                .count(),
            1
        );
    }
}
