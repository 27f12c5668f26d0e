//! What this run made and changed in a cluster, to take it back.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use json_patch::Patch as JsonPatch;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::access::ClusterAccess;
use crate::error::{Error, chain};
use crate::vary::ObjectRef;

/// The label that everything made by a run carries; its value is the run's id.
pub const RUN_LABEL: &str = "meshproof.dev/run";

/// One thing to take back.
#[derive(Clone, Debug)]
pub(crate) enum Undo {
    /// An object that did not exist before.
    Delete {
        resource: ApiResource,
        namespace: Option<String>,
        name: String,
    },
    /// An object that existed and was patched.
    Restore {
        resource: ApiResource,
        namespace: Option<String>,
        name: String,
        patch: JsonPatch,
    },
    /// An object that cases bring from state to state.
    Vary(ObjectRef, Varied),
}

/// What has to be known of an object to bring it back, whatever moment the run ends in.
#[derive(Clone, Debug)]
pub(crate) struct Varied {
    /// What it was before; `None` where there was none.
    pub(crate) base: Option<Value>,
    /// What it may be now: a write that was begun may have been executed or not, and nothing tells until
    /// the object is read again.
    pub(crate) now: Vec<Option<Value>>,
}

/// The list of things to take back, in the order in which they were done.
#[derive(Debug)]
pub(crate) struct Owned {
    run_id: String,
    undo: Mutex<Vec<Undo>>,
    /// What cases have changed and not yet taken back: one way back for each object.
    varied: Mutex<BTreeMap<ObjectRef, Varied>>,
}

impl Owned {
    pub(crate) fn new(run_id: String) -> Self {
        Self {
            run_id,
            undo: Mutex::new(Vec::new()),
            varied: Mutex::default(),
        }
    }

    pub(crate) fn run_id(&self) -> &str {
        &self.run_id
    }

    pub(crate) fn remember(&self, undo: Undo) {
        self.undo
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(undo);
    }

    /// Before a write to the state `to`: what is known of the object until then. A run that ends during the
    /// write finds the object in one of the states before, or in this one.
    pub(crate) fn begin(
        &self,
        object: &ObjectRef,
        base: Option<&Value>,
        from: Option<&Value>,
        to: Option<&Value>,
    ) -> Varied {
        let mut varied = self.varied.lock().unwrap_or_else(PoisonError::into_inner);
        let back = varied.entry(object.clone()).or_insert_with(|| Varied {
            base: base.cloned(),
            now: vec![from.cloned()],
        });
        let before = back.clone();
        let to = to.cloned();
        if !back.now.contains(&to) {
            back.now.push(to);
        }
        before
    }

    /// After a write that the server has confirmed.
    pub(crate) fn done(&self, object: &ObjectRef, to: Option<&Value>) {
        let mut varied = self.varied.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(back) = varied.get_mut(object) else {
            return;
        };
        if back.base.as_ref() == to {
            varied.remove(object);
        } else {
            back.now = vec![to.cloned()];
        }
    }

    /// Everything, in the order in which it was done: cases come after the set-up.
    fn take(&self) -> Vec<Undo> {
        let mut all =
            std::mem::take(&mut *self.undo.lock().unwrap_or_else(PoisonError::into_inner));
        let varied =
            std::mem::take(&mut *self.varied.lock().unwrap_or_else(PoisonError::into_inner));
        let varied = varied.into_iter();
        all.extend(varied.map(|(object, back)| Undo::Vary(object, back)));
        all
    }
}

impl ClusterAccess {
    /// Takes back everything this access made and changed, newest first, and returns what could not
    /// be taken back. Does nothing on clusters that vanish with the run.
    pub async fn tear_down(&self) -> Vec<Error> {
        let mut errors = Vec::new();
        for undo in self.owned.take().into_iter().rev() {
            if self.facts.ephemeral {
                continue;
            }
            if let Err(error) = self.undo(&undo).await {
                errors.push(error);
            }
        }
        errors
    }

    async fn undo(&self, undo: &Undo) -> Result<(), Error> {
        match undo {
            Undo::Delete {
                resource,
                namespace,
                name,
            } => {
                let api = dynamic(self.client.clone(), resource, namespace.as_deref());
                let doing = format!("delete {} {name}", resource.kind);
                self.found(&doing, api.delete(name, &DeleteParams::background()).await)
                    .map(drop)
            }
            Undo::Restore {
                resource,
                namespace,
                name,
                patch,
            } => {
                let api = dynamic(self.client.clone(), resource, namespace.as_deref());
                let doing = format!("restore {} {name}", resource.kind);
                api.patch(
                    name,
                    &PatchParams::default(),
                    &Patch::<Value>::Json(patch.clone()),
                )
                .await
                .map(drop)
                .map_err(|error| self.failed(doing, chain(&error)))
            }
            Undo::Vary(object, back) => self.take_back(object, back).await,
        }
    }
}

/// Puts the owner label on an object.
pub(crate) fn label(object: &mut Value, run: &str) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(RUN_LABEL.to_owned(), json!(run));
        }
    }
}

/// The run whose label an object carries.
pub(crate) fn owner(object: &Value) -> Option<&str> {
    object
        .get("metadata")?
        .get("labels")?
        .get(RUN_LABEL)?
        .as_str()
}

/// The API of a kind that is known only at run time.
pub(crate) fn dynamic(
    client: Client,
    resource: &ApiResource,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    }
}
