//! Pods: making client pods, waiting for readiness, and saying why it does not come.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{ListParams, Patch};
use kube::core::ApiResource;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};

use crate::access::{ClusterAccess, PodRef};
use crate::apply::parameters;
use crate::container_state::{self, Trouble};
use crate::error::{Error, Result, chain};
use crate::owned::{RUN_LABEL, Undo};
use crate::watch::is_final;

/// Where a variable of a client pod comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvSource {
    /// Written in the pod.
    Value(String),
    /// A key of a Secret in the pod's namespace: the value is in no manifest and no command line.
    Secret {
        /// Name of the Secret.
        name: String,
        /// Key in it.
        key: String,
    },
}

/// A pod with one container that waits for commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPod {
    /// Namespace and name.
    pub pod: PodRef,
    /// Image, for example `mysql:5.6`.
    pub image: String,
    /// Variables.
    pub env: BTreeMap<String, EnvSource>,
    /// Names that its hosts file has, with their addresses: `hostAliases`.
    pub host_aliases: BTreeMap<String, Ipv4Addr>,
    /// It gets no sidecar, whatever its namespace says.
    pub without_sidecar: bool,
}

impl ClientPod {
    /// The container's name.
    pub const CONTAINER: &'static str = "client";

    fn manifest(&self, run_id: &str) -> Value {
        let env: Vec<Value> = self
            .env
            .iter()
            .map(|(name, source)| env_entry(name, source))
            .collect();
        // `run` is what `kubectl run` sets, so that what selects those pods selects these.
        let mut labels = json!({"run": self.pod.name, RUN_LABEL: run_id});
        if self.without_sidecar {
            labels[NO_SIDECAR.0] = json!(NO_SIDECAR.1);
        }
        let mut manifest = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.pod.name,
                "namespace": self.pod.namespace,
                "labels": labels,
            },
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": Self::CONTAINER,
                    "image": self.image,
                    "command": ["sleep", "infinity"],
                    "env": env,
                }],
            },
        });
        if !self.host_aliases.is_empty() {
            manifest["spec"]["hostAliases"] = self.host_aliases();
        }
        manifest
    }

    /// One entry for each address, as a pod wants them.
    fn host_aliases(&self) -> Value {
        let mut names: BTreeMap<Ipv4Addr, Vec<&str>> = BTreeMap::new();
        for (name, ip) in &self.host_aliases {
            names.entry(*ip).or_default().push(name);
        }
        let entries = names.into_iter();
        entries
            .map(|(ip, hostnames)| json!({"ip": ip, "hostnames": hostnames}))
            .collect()
    }
}

/// The label by which a pod gets no sidecar (Istio's `sidecar.istio.io/inject`).
const NO_SIDECAR: (&str, &str) = ("sidecar.istio.io/inject", "false");

fn env_entry(name: &str, source: &EnvSource) -> Value {
    match source {
        EnvSource::Value(value) => json!({"name": name, "value": value}),
        EnvSource::Secret { name: secret, key } => {
            json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
        }
    }
}

impl ClusterAccess {
    /// Creates a client pod. A pod of that name that is there already is an error: it is not ours.
    pub async fn create_client_pod(&self, pod: &ClientPod) -> Result<()> {
        let api = self.namespaced::<Pod>(&pod.pod.namespace);
        let doing = format!("create Pod {}", pod.pod);
        if !self.facts.ephemeral
            && self
                .found(&doing, api.get_metadata(&pod.pod.name).await)?
                .is_some()
        {
            return Err(self.failed(
                doing,
                "a pod of this name exists already; remove it or choose another name",
            ));
        }
        api.patch(
            &pod.pod.name,
            &parameters(),
            &Patch::Apply(pod.manifest(self.run_id())),
        )
        .await
        .map_err(|error| self.api_error(doing, error))?;
        self.owned.remember(Undo::Delete {
            resource: ApiResource::erase::<Pod>(&()),
            namespace: Some(pod.pod.namespace.clone()),
            name: pod.pod.name.clone(),
        });
        Ok(())
    }

    /// Waits until a pod is ready.
    ///
    /// # Errors
    /// At once when a container cannot become ready (unknown image, crash), with its last lines; at
    /// the deadline with the pod's state and events.
    pub async fn wait_pod_ready(&self, pod: &PodRef) -> Result<()> {
        let what = format!("pod {pod} to be ready");
        let within = self.facts.ready_within;
        let waited = self
            .watch_until(
                self.namespaced::<Pod>(&pod.namespace),
                &pod.name,
                &what,
                within,
                |found| Ok(found.and_then(|found| self.settled(found))),
                |found| {
                    found.map_or_else(
                        || "there is no such pod".to_owned(),
                        container_state::describe,
                    )
                },
            )
            .await;
        match waited {
            Ok(Ok(())) => Ok(()),
            Ok(Err(trouble)) => Err(self.failed(what, self.diagnose(pod, &trouble).await)),
            Err(Error::Deadline { found, .. }) => Err(self.deadline(
                &what,
                within,
                format!("{found}{}", self.event_words(pod, &found).await),
            )),
            Err(error) => Err(error),
        }
    }

    fn settled(&self, pod: &Pod) -> Option<Result<(), Trouble>> {
        if container_state::is_ready(pod) {
            return Some(Ok(()));
        }
        container_state::trouble(pod, self.facts.ephemeral).map(Err)
    }

    /// Waits until a Deployment has its replicas available, and returns its ready pods.
    ///
    /// # Errors
    /// As [`Self::wait_pod_ready`], for any of its pods.
    pub async fn wait_deployment(&self, namespace: &str, name: &str) -> Result<Vec<PodRef>> {
        let what = format!("Deployment {namespace}/{name} to be available");
        let api = self.namespaced::<Deployment>(namespace);
        let selector = api
            .get(name)
            .await
            .map(|found| match_labels(&found))
            .map_err(|error| {
                self.api_error(format!("read Deployment {namespace}/{name}"), error)
            })?;
        let available = self.watch_until(
            api,
            name,
            &what,
            self.facts.ready_within,
            |found| Ok(found.filter(|found| is_available(found)).map(|_| ())),
            |found| {
                found.map_or_else(
                    || "there is no such Deployment".to_owned(),
                    |_| "not available".to_owned(),
                )
            },
        );
        // A pod without a readiness probe is ready for a moment even if its program dies at once.
        let ready = async {
            available.await?;
            loop {
                let ready = self.ready_pods(namespace, &selector).await?;
                if !ready.is_empty() {
                    return Ok(ready);
                }
                self.wait_ready_pods(namespace, &selector).await?;
            }
        };
        tokio::select! {
            result = Box::pin(ready) => match result {
                Err(Error::Deadline { waited, .. }) => Err(self.deadline(&what, waited, self.pods_words(namespace, &selector).await)),
                other => other,
            },
            error = self.first_trouble(namespace, watcher::Config::default().labels(&selector), &what) => Err(error),
        }
    }

    /// As [`Self::wait_deployment`], for a Deployment that is still to be created: waits for that too.
    pub async fn wait_deployment_pods(&self, namespace: &str, name: &str) -> Result<Vec<PodRef>> {
        let what = format!("Deployment {namespace}/{name} to exist");
        self.watch_until(
            self.namespaced::<Deployment>(namespace),
            name,
            &what,
            self.facts.ready_within,
            |found| Ok(found.map(|_| ())),
            |_| "there is no such Deployment".to_owned(),
        )
        .await?;
        Box::pin(self.wait_deployment(namespace, name)).await
    }

    /// Name of the first container of a pod that is not the mesh's proxy.
    pub async fn first_container(&self, pod: &PodRef) -> Result<String> {
        let found = self.get_pod(pod).await?;
        let mut containers = found.spec.iter().flat_map(|spec| &spec.containers);
        containers
            .find(|container| container.name != "istio-proxy")
            .map(|container| container.name.clone())
            .ok_or_else(|| {
                self.failed(
                    format!("read Pod {pod}"),
                    "it has no container beside the proxy",
                )
            })
    }

    /// Waits until at least one pod that matches `selector` is ready, and returns all that are.
    pub async fn wait_ready_pods(&self, namespace: &str, selector: &str) -> Result<Vec<PodRef>> {
        let what = format!("a ready pod with label {selector} in namespace {namespace}");
        let watching = async {
            let api = self.namespaced::<Pod>(namespace);
            let config = watcher::Config::default().labels(selector);
            let mut changes = std::pin::pin!(watcher::watcher(api, config).default_backoff());
            while let Some(change) = changes.next().await {
                match change {
                    Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                        match self.settled(&pod) {
                            Some(Ok(())) => return Ok(()),
                            Some(Err(trouble)) => {
                                let pod = PodRef::new(namespace, pod.name_any());
                                return Err(self.failed(
                                    format!("pod {pod}"),
                                    self.diagnose(&pod, &trouble).await,
                                ));
                            }
                            None => {}
                        }
                    }
                    Err(error) if is_final(&error) => {
                        return Err(self.failed(what.as_str(), chain(&error)));
                    }
                    Ok(_) | Err(_) => {}
                }
            }
            Err(self.failed(what.as_str(), "the watch ended"))
        };
        let Ok(result) = tokio::time::timeout(self.facts.ready_within, watching).await else {
            let found = self.pods_words(namespace, selector).await;
            return Err(self.deadline(&what, self.facts.ready_within, found));
        };
        result?;
        self.ready_pods(namespace, selector).await
    }

    /// Ready pods that match a label selector, by name.
    pub async fn ready_pods(&self, namespace: &str, selector: &str) -> Result<Vec<PodRef>> {
        let pods = self.list_pods(namespace, selector).await?;
        let mut ready: Vec<_> = pods
            .iter()
            .filter(|pod| container_state::is_ready(pod))
            .map(|pod| PodRef::new(namespace, pod.name_any()))
            .collect();
        ready.sort();
        Ok(ready)
    }

    /// IP address of a pod.
    pub async fn pod_ip(&self, pod: &PodRef) -> Result<Option<String>> {
        let found = self.get_pod(pod).await?;
        Ok(found.status.and_then(|status| status.pod_ip))
    }

    pub(crate) async fn get_pod(&self, pod: &PodRef) -> Result<Pod> {
        self.namespaced::<Pod>(&pod.namespace)
            .get(&pod.name)
            .await
            .map_err(|error| self.api_error(format!("read Pod {pod}"), error))
    }

    pub(crate) async fn list_pods(&self, namespace: &str, selector: &str) -> Result<Vec<Pod>> {
        self.namespaced::<Pod>(namespace)
            .list(&ListParams::default().labels(selector))
            .await
            .map(|list| list.items)
            .map_err(|error| {
                self.api_error(
                    format!("list pods with label {selector} in {namespace}"),
                    error,
                )
            })
    }

    /// Never returns while a pod's containers run or may yet: for what is waited for in a pod that was
    /// ready at first. The error is as that of [`Self::wait_pod_ready`].
    pub async fn pod_trouble(&self, pod: &PodRef) -> Error {
        let config = watcher::Config::default().fields(&format!("metadata.name={}", pod.name));
        let what = "a pod to stay up";
        self.first_trouble(&pod.namespace, config, what).await
    }

    /// Never returns while none of the pods is in trouble.
    async fn first_trouble(&self, namespace: &str, pods: watcher::Config, what: &str) -> Error {
        let changes = watcher::watcher(self.namespaced::<Pod>(namespace), pods).default_backoff();
        let mut changes = std::pin::pin!(changes);
        while let Some(change) = changes.next().await {
            let Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) = change else {
                continue;
            };
            if let Some(trouble) = container_state::trouble(&pod, self.facts.ephemeral) {
                let pod = PodRef::new(namespace, pod.name_any());
                return self.failed(
                    what,
                    format!("pod {pod}: {}", self.diagnose(&pod, &trouble).await),
                );
            }
        }
        std::future::pending().await
    }
}

fn match_labels(deployment: &Deployment) -> String {
    let labels = deployment
        .spec
        .selector
        .match_labels
        .clone()
        .unwrap_or_default();
    labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}

fn is_available(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let Some(status) = deployment.status.as_ref() else {
        return false;
    };
    status.observed_generation >= deployment.metadata.generation
        && status.updated_replicas.unwrap_or(0) >= wanted
        && status.available_replicas.unwrap_or(0) >= wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_reaches_the_pod_by_reference() {
        let pod = ClientPod {
            pod: PodRef::new("default", "mysql-client-1"),
            image: "mysql:5.6".to_owned(),
            env: BTreeMap::from([
                (
                    "MYSQL_PWD".to_owned(),
                    EnvSource::Secret {
                        name: "pw".to_owned(),
                        key: "password".to_owned(),
                    },
                ),
                ("SERVICE_URL".to_owned(), EnvSource::Value("h".to_owned())),
            ]),
            host_aliases: BTreeMap::new(),
            without_sidecar: false,
        };
        let manifest = pod.manifest("r1");
        assert_eq!(
            manifest["spec"]["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["name"],
            "pw"
        );
        assert_eq!(manifest["metadata"]["labels"]["run"], "mysql-client-1");
        assert_eq!(manifest["spec"].get("hostAliases"), None);
        serde_json::from_value::<Pod>(manifest).unwrap();
    }

    #[test]
    fn names_with_one_address_are_one_alias() {
        let (one, other) = (
            Ipv4Addr::new(203, 0, 113, 10),
            Ipv4Addr::new(198, 51, 100, 7),
        );
        let named = |name: &str, ip| (name.to_owned(), ip);
        let pod = ClientPod {
            pod: PodRef::new("default", "meshproof-names"),
            image: "mysql:5.6".to_owned(),
            env: BTreeMap::new(),
            host_aliases: BTreeMap::from([named("a", one), named("b", other), named("c", one)]),
            without_sidecar: true,
        };
        let manifest = pod.manifest("r1");
        assert_eq!(
            manifest["spec"]["hostAliases"],
            json!([{"ip": "198.51.100.7", "hostnames": ["b"]}, {"ip": "203.0.113.10", "hostnames": ["a", "c"]}])
        );
        assert_eq!(
            manifest["metadata"]["labels"]["sidecar.istio.io/inject"],
            "false"
        );
        serde_json::from_value::<Pod>(manifest).unwrap();
    }

    #[test]
    fn available_means_of_this_generation() {
        let deployment = |observed: i64| -> Deployment {
            serde_json::from_value(json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 2},
                "spec": {"selector": {"matchLabels": {"app": "mysql"}}, "template": {}},
                "status": {"observedGeneration": observed, "updatedReplicas": 1, "availableReplicas": 1},
            }))
            .unwrap()
        };
        assert!(!is_available(&deployment(1)));
        assert!(is_available(&deployment(2)));
    }
}
