//! Drives Deployments, `ReplicaSets` and namespaces from the store's events.

use std::sync::Arc;

use meshproof_pocket_api::{DeleteHow, Event, Kind, StatusError, Store, now};
use serde_json::{Value, json};

use super::deployments::{self, Action};
use super::settle;
use crate::injection;

/// The object was deleted, or made, by somebody else meanwhile.
const LOST: [u16; 2] = [404, 409];
const WATCHED: [Kind; 4] = [
    Kind::Namespace,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::Pod,
];

/// Reconciles until the store's owner is gone; never returns by itself.
pub(crate) async fn run(store: Arc<Store>, root_certificate: String) {
    loop {
        let (_, mut watch) = store.list_and_watch(&WATCHED);
        loop {
            // The objects are looked at as a whole: a batch of events costs one round.
            round(&store, &root_certificate);
            if next(&mut watch).await.is_none() {
                break;
            }
            while let Ok(Some(_)) = watch.try_next() {}
        }
    }
}

/// The next event; `None` when the watch fell behind and everything must be listed again.
async fn next(watch: &mut meshproof_pocket_api::Watch) -> Option<Event> {
    watch.next().await.ok()
}

fn round(store: &Store, root_certificate: &str) {
    for namespace in store.snapshot(Kind::Namespace) {
        furnish(store, &namespace, root_certificate);
    }
    let sets = store.snapshot(Kind::ReplicaSet);
    for deployment in store.snapshot(Kind::Deployment) {
        for action in deployments::deployment(&deployment, &sets, &now()) {
            settle(perform(store, Kind::Deployment, &deployment, action), &LOST);
        }
    }
    let pods = store.snapshot(Kind::Pod);
    for set in store.snapshot(Kind::ReplicaSet) {
        for action in deployments::replica_set_pods(&set, &pods) {
            settle(perform(store, Kind::ReplicaSet, &set, action), &LOST);
        }
    }
}

fn perform(store: &Store, kind: Kind, owner: &Value, action: Action) -> Result<(), StatusError> {
    match action {
        Action::Create(object) if object["kind"] == "Pod" => create_pod(store, object).map(drop),
        Action::Create(object) => store.create(Kind::ReplicaSet, object).map(drop),
        Action::Scale {
            namespace,
            name,
            replicas,
        } => store
            .modify(Kind::ReplicaSet, &namespace, &name, |o| {
                o["spec"]["replicas"] = json!(replicas);
            })
            .map(drop),
        Action::DeletePod { namespace, name } => store
            .delete(Kind::Pod, &namespace, &name, DeleteHow::default())
            .map(drop),
        Action::Status(status) => {
            let text = |k: &str| owner["metadata"][k].as_str().unwrap_or_default().to_owned();
            store
                .modify(kind, &text("namespace"), &text("name"), |o| {
                    o["status"] = status;
                })
                .map(drop)
        }
    }
}

/// Creates a pod as the API does: injected where its namespace or labels ask for it.
pub(crate) fn create_pod(store: &Store, mut pod: Value) -> Result<Arc<Value>, StatusError> {
    inject(store, &mut pod);
    store.create(Kind::Pod, pod)
}

/// Adds the sidecar where it is due.
pub(crate) fn inject(store: &Store, pod: &mut Value) {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or("default");
    let labels = store
        .get(Kind::Namespace, "", namespace)
        .and_then(|n| {
            n.pointer("/metadata/labels")
                .and_then(Value::as_object)
                .cloned()
        })
        .unwrap_or_default();
    if injection::required(pod, &labels) {
        injection::inject(pod);
    }
}

/// What every namespace has: a service account and the certificates to trust.
fn furnish(store: &Store, namespace: &Value, root_certificate: &str) {
    let Some(name) = namespace.pointer("/metadata/name").and_then(Value::as_str) else {
        return;
    };
    if namespace.pointer("/metadata/deletionTimestamp").is_some() {
        return;
    }
    if store.get(Kind::ServiceAccount, name, "default").is_none() {
        let account = json!({"metadata": {"name": "default", "namespace": name}});
        settle(store.create(Kind::ServiceAccount, account), &LOST);
    }
    for (map, key) in [
        ("istio-ca-root-cert", "root-cert.pem"),
        ("kube-root-ca.crt", "ca.crt"),
    ] {
        if store.get(Kind::ConfigMap, name, map).is_none() {
            let object = json!({"metadata": {"name": map, "namespace": name}, "data": {key: root_certificate}});
            settle(store.create(Kind::ConfigMap, object), &LOST);
        }
    }
}
