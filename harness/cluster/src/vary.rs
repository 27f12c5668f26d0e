//! One object brought from one state to another, so that it can be taken back.

use std::pin::pin;

use futures::StreamExt;
use kube::Api;
use kube::api::{
    DeleteParams, DynamicObject, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::access::ClusterAccess;
use crate::apply::{Applied, FIELD_MANAGER, applied};
use crate::error::Result;
use crate::kinds::known;
use crate::owned::{RUN_LABEL, Varied, dynamic};

/// An object of a kind that every cluster serves by the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// As in manifests.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    fn title(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }

    fn resource(&self) -> Option<ApiResource> {
        let (group, version) = self
            .api_version
            .split_once('/')
            .unwrap_or(("", &self.api_version));
        known(&GroupVersionKind::gvk(group, version, &self.kind)).map(|kind| kind.resource)
    }
}

impl ClusterAccess {
    /// The object as it is, without what the server keeps for itself; `None` where there is none.
    ///
    /// # Errors
    /// The server refuses, or the kind is not one that overlays may change.
    pub async fn object(&self, object: &ObjectRef) -> Result<Option<Value>> {
        let doing = format!("read {}", object.title());
        let api = self.api_of(object, &doing)?;
        let found = self.found(&doing, api.get(&object.name).await)?;
        found
            .map(|found| {
                serde_json::to_value(&found)
                    .map(plain)
                    .map_err(|error| self.failed(&doing, error.to_string()))
            })
            .transpose()
    }

    /// Brings an object from the state `from` to the state `to` by writing only what differs, and
    /// remembers how to bring it back to `base`, the state before this run.
    ///
    /// # Errors
    /// The server refuses: a webhook's words, a conflict, a state that is no longer `from`.
    pub async fn bring(
        &self,
        object: &ObjectRef,
        base: Option<&Value>,
        from: Option<&Value>,
        to: Option<&Value>,
    ) -> Result<Applied> {
        if from == to {
            return Ok(Applied::default());
        }
        // Before the write, and again after it: a run that ends between the two, or whose write is refused,
        // finds the object in one of both states.
        self.owned.varied(object, Some(way_back(base, &[to, from])));
        let applied = self.write(object, from, to).await?;
        let back = (base != to).then(|| way_back(base, &[to]));
        self.owned.varied(object, back);
        Ok(applied)
    }

    /// Writes what differs.
    async fn write(
        &self,
        object: &ObjectRef,
        from: Option<&Value>,
        to: Option<&Value>,
    ) -> Result<Applied> {
        let doing = format!("change {}", object.title());
        let api = self.api_of(object, &doing)?;
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let written = match (from, to) {
            (_, None) => return self.remove(&api, object, &doing).await,
            (None, Some(to)) => {
                let mut new = to.clone();
                self.label(&mut new);
                let new = serde_json::from_value(new)
                    .map_err(|error| self.failed(&doing, error.to_string()))?;
                let post = PostParams {
                    field_manager: Some(FIELD_MANAGER.to_owned()),
                    ..PostParams::default()
                };
                api.create(&post, &new).await
            }
            (Some(from), Some(to)) => {
                let patch = Patch::<Value>::Json(json_patch::diff(from, to));
                api.patch(&object.name, &parameters, &patch).await
            }
        };
        let written = written.map_err(|error| self.api_error(&doing, error))?;
        let resource = self.resource_of(object, &doing)?;
        Ok(applied(resource, object.namespace.clone(), &written))
    }

    /// Deletes an object, and learns the version of the deletion from the event that tells of it: the answer
    /// to the request has that of the object, which is an earlier one.
    async fn remove(
        &self,
        api: &Api<DynamicObject>,
        object: &ObjectRef,
        doing: &str,
    ) -> Result<Applied> {
        let Some(found) = self.found(doing, api.get(&object.name).await)? else {
            return Ok(Applied::default());
        };
        let version = found.metadata.resource_version.unwrap_or_default();
        let only = WatchParams::default().fields(&format!("metadata.name={}", object.name));
        let changes = api.watch(&only, &version).await;
        let mut changes = pin!(changes.map_err(|error| self.api_error(doing, error))?);
        let gone = api.delete(&object.name, &DeleteParams::default()).await;
        self.found(doing, gone)?;
        let told = async {
            while let Some(change) = changes.next().await {
                match change.map_err(|error| self.api_error(doing, error))? {
                    WatchEvent::Deleted(last) => {
                        return Ok(Applied::written(last.metadata.resource_version));
                    }
                    WatchEvent::Error(status) => {
                        return Err(self.failed(doing, status.message.clone()));
                    }
                    _ => {}
                }
            }
            Err(self.failed(doing, "the watch ended before it told of the deletion"))
        };
        let told = tokio::time::timeout(self.facts.ready_within, told).await;
        told.unwrap_or_else(|_| {
            let what = format!("{} to be gone", object.title());
            let found = "it is still there; a finalizer may hold it".to_owned();
            Err(self.deadline(&what, self.facts.ready_within, found))
        })
    }

    /// Brings an object back to what it was before this run, from whichever state the run left it in.
    /// Fields of others stay as they are.
    pub(crate) async fn take_back(&self, object: &ObjectRef, back: &Varied) -> Result<()> {
        let base = back.base.as_ref();
        let from = match (self.object(object).await?, base) {
            (Some(found), Some(base)) => {
                let left = back.now.iter().chain([base]);
                let left = left
                    .into_iter()
                    .find(|state| has(&found, base, state))
                    .cloned();
                Some(left.ok_or_else(|| {
                    let doing = format!("restore {}", object.title());
                    self.failed(doing, "somebody else has changed what this run had changed; compare it with its manifest")
                })?)
            }
            (found, _) => found,
        };
        if from.as_ref() == base {
            return Ok(());
        }
        self.write(object, from.as_ref(), base).await.map(drop)
    }

    fn api_of(&self, object: &ObjectRef, doing: &str) -> Result<Api<DynamicObject>> {
        let resource = self.resource_of(object, doing)?;
        Ok(dynamic(
            self.client.clone(),
            &resource,
            Some(&object.namespace),
        ))
    }

    fn resource_of(&self, object: &ObjectRef, doing: &str) -> Result<ApiResource> {
        object.resource().ok_or_else(|| {
            let why = format!(
                "{} {} is not a kind that can be changed for a case",
                object.api_version, object.kind
            );
            self.failed(doing, why)
        })
    }
}

fn way_back(base: Option<&Value>, now: &[Option<&Value>]) -> Varied {
    Varied {
        base: base.cloned(),
        now: now.iter().copied().flatten().cloned().collect(),
    }
}

/// Whether an object has everything that `state` has made of `base`: undone and done again, nothing differs.
fn has(object: &Value, base: &Value, state: &Value) -> bool {
    let mut again = object.clone();
    let ways = [json_patch::diff(state, base), json_patch::diff(base, state)];
    let walked = ways
        .iter()
        .all(|way| json_patch::patch(&mut again, way).is_ok());
    walked && again == *object
}

/// Without status and what the server writes by itself: these are not a case's to change.
fn plain(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for own in [
            "creationTimestamp",
            "generation",
            "managedFields",
            "resourceVersion",
            "selfLink",
            "uid",
        ] {
            metadata.remove(own);
        }
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove(RUN_LABEL);
        }
        if metadata.get("labels") == Some(&json!({})) {
            metadata.remove("labels");
        }
    }
    object
}
