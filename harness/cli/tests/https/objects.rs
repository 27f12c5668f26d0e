//! What is in both clusters, to be compared before a run and after it.

use std::collections::BTreeMap;
use std::time::Duration;

use meshproof_cluster::kube::Api;
use meshproof_cluster::kube::api::ListParams;
use meshproof_cluster::kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use meshproof_runner::Clusters;
use serde_json::Value;

/// Group, version and kind of everything that a run may make or change.
const KINDS: &[(&str, &str, &str)] = &[
    ("", "v1", "ConfigMap"),
    ("", "v1", "Namespace"),
    ("", "v1", "Pod"),
    ("", "v1", "Secret"),
    ("", "v1", "Service"),
    ("apps", "v1", "Deployment"),
    ("networking.istio.io", "v1", "DestinationRule"),
    ("networking.istio.io", "v1", "Gateway"),
    ("networking.istio.io", "v1", "ServiceEntry"),
    ("networking.istio.io", "v1", "VirtualService"),
    ("security.istio.io", "v1", "AuthorizationPolicy"),
    ("security.istio.io", "v1", "PeerAuthentication"),
];

/// What the mesh reports of itself, which grows with every change.
const REPORT: &str = "meshproof-mesh-status";
/// Namespaces go by themselves after they have been deleted.
const GONE_WITHIN: Duration = Duration::from_secs(20);
const ASKED_EVERY: Duration = Duration::from_millis(50);

/// Every object by cluster, kind and name, without versions, times and status.
pub(crate) type Objects = BTreeMap<String, Value>;

/// Everything that is there once the clusters have done what they do by themselves at their start: a pod that is not
/// placed yet would differ from itself later.
pub(crate) async fn settled(clusters: &Clusters) -> Objects {
    for (access, gateway) in [
        (&clusters.client, &clusters.client.facts.egress),
        (&clusters.server, &clusters.server.facts.ingress),
    ] {
        let ready = access.wait_ready_pods(&gateway.namespace, &gateway.selector);
        ready.await.unwrap();
    }
    of(clusters).await
}

/// Everything that is there now.
async fn of(clusters: &Clusters) -> Objects {
    let mut found = Objects::new();
    for access in clusters.both() {
        for (group, version, kind) in KINDS {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            let api: Api<DynamicObject> = Api::all_with(access.client.clone(), &resource);
            for object in api.list(&ListParams::default()).await.unwrap() {
                let (namespace, name) = (&object.metadata.namespace, &object.metadata.name);
                let namespace = namespace.clone().unwrap_or_default();
                let name = name.clone().unwrap_or_default();
                if name != REPORT {
                    let key = format!("{} {kind} {namespace}/{name}", access.side);
                    found.insert(key, plain(serde_json::to_value(&object).unwrap()));
                }
            }
        }
    }
    found
}

fn plain(mut object: Value) -> Value {
    object.as_object_mut().unwrap().remove("status");
    let metadata = object["metadata"].as_object_mut().unwrap();
    for own in ["resourceVersion", "generation", "managedFields"] {
        metadata.remove(own);
    }
    object
}

/// Waits until the same is there as before: no watch spans kinds, so it is asked again.
pub(crate) async fn wait_for(clusters: &Clusters, before: &Objects) {
    let same = async {
        while of(clusters).await != *before {
            tokio::time::sleep(ASKED_EVERY).await;
        }
    };
    if tokio::time::timeout(GONE_WITHIN, same).await.is_ok() {
        return;
    }
    let after = of(clusters).await;
    let left = after.keys().filter(|key| !before.contains_key(*key));
    let differ = before
        .iter()
        .filter(|(key, was)| after.get(*key) != Some(was));
    let differ = differ.map(|(key, was)| format!("{key}: was {was}, is {:?}", after.get(key)));
    let wrong: Vec<String> = left
        .map(|key| format!("{key} was left"))
        .chain(differ)
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}
