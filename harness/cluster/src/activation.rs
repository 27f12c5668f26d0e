//! Waiting until what was applied is active at the proxies: accepted is not active.

use std::time::Duration;

use futures::future;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::Value;

use crate::access::{ActiveEvidence, ClusterAccess};
use crate::apply::{Applied, MeshObject};
use crate::error::{Error, Result, chain};
use crate::owned::dynamic;

/// The condition by which the mesh reports on each Istio object.
const ACTIVE_CONDITION: &str = "meshproof.dev/Active";
/// Namespace and name of the ConfigMap by which the mesh reports on everything.
const STATUS_NAMESPACE: &str = "istio-system";
const STATUS_NAME: &str = "meshproof-mesh-status";
/// Its keys.
const ACTIVE_VERSION: &str = "activeResourceVersion";
const WARMING: &str = "warming";
const REJECTED: &str = "rejected";
const WAITING: &str = "waiting";

/// What is known of applied configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Compiled, pushed, acknowledged, and nothing warming at any proxy.
    Active,
    /// Accepted, but the proxies still serve what was before, or fail each connection: a Secret that
    /// never existed, for example.
    Warming {
        /// What is warming, in the mesh's words.
        names: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Nobody reports on it here: the proxies themselves are asked ([`ActiveEvidence::Proxies`]).
    AtProxies,
}

impl ClusterAccess {
    /// The pods as they are now, to be waited for: a pod that has just become ready is no endpoint
    /// of the proxies yet. Nothing where the provider does not report what is active.
    ///
    /// # Errors
    /// The pods cannot be listed.
    pub async fn pods_applied(&self) -> Result<Applied> {
        if self.facts.active != ActiveEvidence::Conditions {
            return Ok(Applied::default());
        }
        let pods = Api::<Pod>::all(self.client.clone());
        let listed = pods.list(&ListParams::default()).await;
        let listed = listed.map_err(|error| self.failed("list pods", chain(&error)))?;
        let mut applied = Applied::default();
        for pod in listed {
            applied.merge(Applied::written(pod.metadata.resource_version));
        }
        Ok(applied)
    }

    /// Waits until everything in `applied` is active at every proxy concerned.
    ///
    /// A deadline that passes while something is warming is no error: the run goes on, and each
    /// connection fails as the mesh makes it fail.
    ///
    /// # Errors
    /// The mesh rejects an object; the deadline passes and nothing is said to be warming.
    pub async fn wait_active(&self, applied: &Applied) -> Result<Activation> {
        match &self.facts.active {
            ActiveEvidence::Proxies { .. } => Ok(Activation::AtProxies),
            ActiveEvidence::Conditions => {
                let objects = future::try_join_all(
                    applied
                        .mesh_objects
                        .iter()
                        .map(|object| self.object_active(object)),
                );
                let (warming, all) =
                    future::try_join(objects, self.all_active(applied.version)).await?;
                Ok(warming
                    .into_iter()
                    .flatten()
                    .next()
                    .map_or(all, |names| Activation::Warming {
                        names,
                        waited: self.facts.active_within,
                    }))
            }
        }
    }

    /// Waits for the condition of one object; `Some` with its words when it is still not active.
    async fn object_active(&self, object: &MeshObject) -> Result<Option<String>> {
        let api = dynamic(
            self.client.clone(),
            &object.resource,
            Some(&object.namespace),
        );
        let title = format!(
            "{} {}/{}",
            object.resource.kind, object.namespace, object.name
        );
        let waited = self
            .watch_until(
                api,
                &object.name,
                &format!("{title} to be active"),
                self.facts.active_within,
                |found| match found.and_then(|found| state(found, object.generation)) {
                    Some(State::Active) => Ok(Some(())),
                    Some(State::Rejected(message)) => Err(Error::Rejected {
                        cluster: self.side.to_string(),
                        object: title.clone(),
                        message,
                    }),
                    Some(State::Waiting(_)) | None => Ok(None),
                },
                |found| match found.and_then(|found| state(found, object.generation)) {
                    Some(State::Waiting(why)) => why,
                    _ => "the mesh has not reported on it".to_owned(),
                },
            )
            .await;
        match waited {
            Ok(()) => Ok(None),
            Err(Error::Deadline { found, .. }) => Ok(Some(format!("{title}: {found}"))),
            Err(error) => Err(error),
        }
    }

    async fn all_active(&self, version: u64) -> Result<Activation> {
        let what = format!("resource version {version} to be active at every proxy");
        let data = |map: &ConfigMap, key: &str| {
            map.data
                .as_ref()
                .and_then(|data| data.get(key))
                .filter(|text| !text.is_empty())
                .cloned()
        };
        let waited = self
            .watch_until(
                self.namespaced::<ConfigMap>(STATUS_NAMESPACE),
                STATUS_NAME,
                &what,
                self.facts.active_within,
                |map| {
                    Ok(map
                        .filter(|map| active_version(data(map, ACTIVE_VERSION)) >= version)
                        .map(|_| ()))
                },
                |map| {
                    map.map_or_else(
                        || "the mesh has not reported".to_owned(),
                        |map| status_words(|key| data(map, key)),
                    )
                },
            )
            .await;
        match waited {
            Ok(()) => Ok(Activation::Active),
            Err(Error::Deadline { found, waited, .. }) if found.starts_with(WARMING) => {
                Ok(Activation::Warming {
                    names: found,
                    waited,
                })
            }
            Err(error) => Err(error),
        }
    }
}

fn active_version(text: Option<String>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn status_words(data: impl Fn(&str) -> Option<String>) -> String {
    let first = [WARMING, REJECTED, WAITING]
        .iter()
        .find_map(|key| data(key).map(|text| format!("{key}: {text}")));
    let version = data(ACTIVE_VERSION).map(|text| format!("{ACTIVE_VERSION}: {text}"));
    let words: Vec<String> = first.into_iter().chain(version).collect();
    if words.is_empty() {
        return "the mesh's report is empty".to_owned();
    }
    words.join("; ")
}

#[derive(Debug, PartialEq)]
enum State {
    Active,
    Rejected(String),
    Waiting(String),
}

/// The condition of `object`, where it speaks of `generation` or a later one.
fn state(object: &DynamicObject, generation: i64) -> Option<State> {
    let condition = object
        .data
        .pointer("/status/conditions")?
        .as_array()?
        .iter()
        .find(|condition| {
            condition.get("type").and_then(Value::as_str) == Some(ACTIVE_CONDITION)
        })?;
    let text = |key: &str| {
        condition
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if condition
        .get("observedGeneration")
        .and_then(Value::as_i64)
        .unwrap_or(0)
        < generation
    {
        return None;
    }
    Some(match (text("status"), text("reason")) {
        ("True", _) => State::Active,
        (_, "Rejected") => State::Rejected(text("message").to_owned()),
        (_, reason) => State::Waiting(format!("{reason}: {}", text("message"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::{ApiResource, GroupVersionKind};
    use serde_json::json;

    fn gateway(status: &str, reason: &str, generation: i64) -> DynamicObject {
        let gvk = GroupVersionKind::gvk("networking.istio.io", "v1", "Gateway");
        DynamicObject::new("g", &ApiResource::from_gvk_with_plural(&gvk, "gateways")).data(json!({
            "status": {"conditions": [{
                "type": ACTIVE_CONDITION, "status": status, "reason": reason,
                "message": "words", "observedGeneration": generation,
            }]}
        }))
    }

    #[test]
    fn a_condition_of_an_older_generation_says_nothing() {
        assert_eq!(state(&gateway("True", "Active", 1), 2), None);
        assert_eq!(state(&gateway("True", "Active", 2), 2), Some(State::Active));
    }

    #[test]
    fn a_rejection_carries_the_mesh_words() {
        assert_eq!(
            state(&gateway("False", "Rejected", 1), 1),
            Some(State::Rejected("words".to_owned()))
        );
        assert_eq!(
            state(&gateway("False", "Warming", 1), 1),
            Some(State::Waiting("Warming: words".to_owned()))
        );
    }

    #[test]
    fn what_is_waited_for_is_told() {
        let data = |key: &str| match key {
            "waiting" => Some("proxy a: clusters".to_owned()),
            "activeResourceVersion" => Some("7".to_owned()),
            _ => None,
        };
        let words = "waiting: proxy a: clusters; activeResourceVersion: 7";
        assert_eq!(status_words(data), words);
        assert_eq!(status_words(|_| None), "the mesh's report is empty");
    }

    #[test]
    fn warming_is_told_before_the_version() {
        let data = |key: &str| match key {
            "warming" => Some("listener 0.0.0.0_13306".to_owned()),
            _ => Some("7".to_owned()),
        };
        assert_eq!(
            status_words(data),
            "warming: listener 0.0.0.0_13306; activeResourceVersion: 7"
        );
    }
}
