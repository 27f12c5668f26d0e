//! The node: runs pods as local processes.

mod env;
mod events;
mod logs;
mod pod;
mod probes;
mod programs;
mod redirection;
mod status;
mod volumes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use meshproof_pocket_api::{EventType, Kind, Store};
use meshproof_pocket_node::Node;
use meshproof_pocket_xds::{Ads, ServeHandle};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::addresses::{AddressPlan, ClusterName};

pub(crate) use pod::Pod;
pub use programs::Programs;

/// Runs the pods of one cluster.
pub(crate) struct Kubelet {
    cluster: ClusterName,
    store: Arc<Store>,
    node: Node,
    ads: Ads,
    programs: Arc<Programs>,
    /// The node's name for the cluster's router.
    router: String,
    /// What pods find as their service-account token. It opens nothing: no pod needs the API.
    token: String,
    plan: Mutex<AddressPlan>,
    pods: Mutex<HashMap<(String, String), Arc<Pod>>>,
    served: Mutex<HashMap<String, ServeHandle>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Kubelet {
    /// The node of `cluster`. `router` is the name of its router at the node.
    pub(crate) fn new(
        cluster: ClusterName,
        store: Arc<Store>,
        node: Node,
        ads: Ads,
        programs: Arc<Programs>,
        router: String,
    ) -> Arc<Self> {
        Arc::new(Self {
            cluster,
            store,
            node,
            ads,
            programs,
            router,
            token: "embedded".to_owned(),
            plan: Mutex::new(AddressPlan::new(cluster)),
            pods: Mutex::default(),
            served: Mutex::default(),
            tasks: Mutex::default(),
        })
    }

    /// The name of a pod's sandbox at the node, and of its proxy at the ADS server.
    pub(crate) fn sandbox(&self, namespace: &str, name: &str) -> String {
        sandbox(self.cluster, namespace, name)
    }

    /// A pod that was taken by this node and is not gone.
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.pods
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned()
    }

    /// How to run programs in this cluster.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Takes pods as they appear in the store; never returns by itself.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let (pods, mut watch) = self.store.list_and_watch(&[Kind::Pod]);
            for (_, pod) in &pods {
                self.take(pod);
            }
            while let Ok(event) = watch.next().await {
                match event.event_type {
                    EventType::Deleted => self.forget(&event.object),
                    EventType::Added | EventType::Modified => self.take(&event.object),
                }
            }
        }
    }

    /// Starts a new pod, or begins to end one that is marked for deletion.
    fn take(self: &Arc<Self>, object: &Value) {
        let key = key(object);
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        let known = pods
            .get(&key)
            .filter(|p| p.uid == object["metadata"]["uid"])
            .cloned();
        let pod = known.unwrap_or_else(|| {
            let pod = Pod::new(Arc::clone(self), object);
            pods.insert(key, Arc::clone(&pod));
            self.tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .spawn(Arc::clone(&pod).live());
            pod
        });
        drop(pods);
        if object.pointer("/metadata/deletionTimestamp").is_some() {
            let grace = object
                .pointer("/metadata/deletionGracePeriodSeconds")
                .and_then(Value::as_u64);
            pod.ending.send_if_modified(|e| {
                e.is_none()
                    .then(|| *e = Some(grace.unwrap_or(30)))
                    .is_some()
            });
        }
    }

    /// A pod that left the store without the node's doing is ended at once.
    fn forget(&self, object: &Value) {
        let key = key(object);
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        if pods
            .get(&key)
            .is_some_and(|p| p.uid == object["metadata"]["uid"])
            && let Some(pod) = pods.remove(&key)
        {
            pod.ending
                .send_if_modified(|e| e.is_none().then(|| *e = Some(0)).is_some());
        }
    }
}

/// Namespace and name.
fn key(object: &Value) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    (text("namespace").to_owned(), text("name").to_owned())
}

/// See [`Kubelet::sandbox`].
pub(crate) fn sandbox(cluster: ClusterName, namespace: &str, name: &str) -> String {
    format!("{cluster}/{namespace}/{name}")
}
