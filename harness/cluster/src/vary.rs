//! One object brought from one state to another, so that it can be taken back.

use std::pin::pin;

use futures::StreamExt;
use kube::Api;
use kube::api::{
    DeleteParams, DynamicObject, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::core::{ApiResource, GroupVersionKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::ClusterAccess;
use crate::apply::{Applied, FIELD_MANAGER, applied};
use crate::error::Result;
use crate::kinds::known;
use crate::owned::{Varied, dynamic, label, owner};
use crate::undone::{Overwritten, undone};

/// An object of a kind that every cluster serves by the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
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
        // An object keeps its owner in every state: what a run has made can be found by its label after a
        // crash, and what it has only changed must not be.
        let owner = base.map_or(Some(self.run_id()), owner);
        let (from, to) = (owned_by(owner, from), owned_by(owner, to));
        if from == to {
            return Ok(Applied::default());
        }
        let (from, to) = (from.as_ref(), to.as_ref());
        let before = self.owned.begin(object, base, from, to);
        let doing = format!("change {}", object.title());
        let applied = match before.now.as_slice() {
            [only] if only.as_ref() == from => self.write(object, from, to, &doing).await?,
            _ => self.bring_from_any(object, &before, to, &doing).await?,
        };
        self.owned.done(object, to);
        Ok(applied)
    }

    /// Brings an object back to what it was before this run, from whichever state the run left it in.
    /// Fields of others stay as they are.
    pub(crate) async fn take_back(&self, object: &ObjectRef, back: &Varied) -> Result<()> {
        let doing = format!("restore {}", object.title());
        self.bring_from_any(object, back, back.base.as_ref(), &doing)
            .await
            .map(drop)
    }

    /// Brings an object to the state `to` from whichever of its possible states it is found in.
    async fn bring_from_any(
        &self,
        object: &ObjectRef,
        back: &Varied,
        to: Option<&Value>,
        doing: &str,
    ) -> Result<Applied> {
        let found = self.standing(object, doing).await?;
        let wanted = self
            .wanted(found.as_ref(), back, to)
            .map_err(|why| self.failed(doing, why))?;
        if found == wanted {
            return Ok(Applied::default());
        }
        self.write(object, found.as_ref(), wanted.as_ref(), doing)
            .await
    }

    /// The object as it is, once it is settled whether it stays: a deletion that was begun goes on by itself.
    async fn standing(&self, object: &ObjectRef, doing: &str) -> Result<Option<Value>> {
        let found = self.object(object).await?;
        let leaves = |found: &Value| found.pointer("/metadata/deletionTimestamp").is_some();
        if found.as_ref().is_some_and(leaves) {
            let api = self.api_of(object, doing)?;
            self.remove(&api, object, doing).await?;
            return Ok(None);
        }
        Ok(found)
    }

    /// What has to be made of what is found, so that it is `to` with everything that others have changed.
    fn wanted(
        &self,
        found: Option<&Value>,
        back: &Varied,
        to: Option<&Value>,
    ) -> Result<Option<Value>, String> {
        let Some(found) = found else {
            return match to {
                Some(_) if !back.now.contains(&None) => Err("somebody else has deleted it while this run had it changed: apply its manifest again if it is still wanted".to_owned()),
                to => Ok(to.cloned()),
            };
        };
        if back.base.is_none() && owner(found) != Some(self.run_id()) {
            return Err("there was none before this run, and the one that is there does not carry the run's label: delete it if nobody else needs it".to_owned());
        }
        if to.is_none() {
            return Ok(None);
        }
        let states: Vec<Option<&Value>> = back.now.iter().map(Option::as_ref).collect();
        undone(Some(found), to, &states).map_err(|Overwritten(place)| {
            format!("somebody else has changed {place}, which this run had changed too: compare it with the object's manifest, and apply that again")
        })
    }

    /// Writes what differs.
    async fn write(
        &self,
        object: &ObjectRef,
        from: Option<&Value>,
        to: Option<&Value>,
        doing: &str,
    ) -> Result<Applied> {
        let api = self.api_of(object, doing)?;
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let written = match (from, to) {
            (_, None) => return self.remove(&api, object, doing).await,
            (None, Some(to)) => {
                let new = serde_json::from_value(to.clone())
                    .map_err(|error| self.failed(doing, error.to_string()))?;
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
        let written = written.map_err(|error| self.api_error(doing, error))?;
        let resource = self.resource_of(object, doing)?;
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

/// A state of an object that has this owner.
fn owned_by(owner: Option<&str>, state: Option<&Value>) -> Option<Value> {
    let mut state = state?.clone();
    if let Some(run) = owner {
        label(&mut state, run);
    }
    Some(state)
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
    }
    object
}
