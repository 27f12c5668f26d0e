//! What this run made and changed in a cluster, to take it back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use json_patch::Patch as JsonPatch;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::ClusterAccess;
use crate::error::{Error, chain};
use crate::journal::{Found, Journal};
use crate::kinds;
use crate::vary::ObjectRef;

/// The label that everything made by a run carries; its value is the run's id.
pub const RUN_LABEL: &str = "meshproof.dev/run";

/// One thing to take back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
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
    /// Ports of a Service of others that this run needs.
    Release {
        namespace: String,
        name: String,
        ports: Vec<u64>,
    },
    /// An object that cases bring from state to state.
    Vary(ObjectRef, Varied),
}

/// What has to be known of an object to bring it back, whatever moment the run ends in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Varied {
    /// What it was before; `None` where there was none.
    pub(crate) base: Option<Value>,
    /// What it may be now: a write that was begun may have been executed or not, and nothing tells until
    /// the object is read again.
    pub(crate) now: Vec<Option<Value>>,
}

/// What became of what a run had left, by its label.
#[derive(Debug, Default)]
pub struct Swept {
    /// What was deleted, by kind and name.
    pub gone: Vec<String>,
    /// Kinds that may not be listed, in plural.
    pub unseen: Vec<String>,
    /// What could not be listed or deleted for another reason.
    pub errors: Vec<Error>,
}

/// The list of things to take back, in the order in which they were done.
#[derive(Debug)]
pub(crate) struct Owned {
    run_id: String,
    undo: Mutex<Vec<Undo>>,
    /// What cases have changed and not yet taken back: one way back for each object.
    varied: Mutex<BTreeMap<ObjectRef, Varied>>,
    /// Where all of it is noted.
    journal: OnceLock<Journal>,
    /// Why it could not be.
    unwritten: Mutex<Option<String>>,
}

impl Owned {
    pub(crate) fn new(run_id: String) -> Self {
        Self {
            run_id,
            undo: Mutex::new(Vec::new()),
            varied: Mutex::default(),
            journal: OnceLock::new(),
            unwritten: Mutex::default(),
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
        self.note();
    }

    /// Notes what is left from now on in a file, with what was left before.
    pub(crate) fn keep(&self, journal: Journal, left: Vec<Undo>) {
        let mut undo = self.undo.lock().unwrap_or_else(PoisonError::into_inner);
        undo.splice(0..0, left);
        drop(undo);
        // There is one for as long as this is used.
        let _first = self.journal.set(journal);
        self.note();
    }

    fn note(&self) {
        let Some(journal) = self.journal.get() else {
            return;
        };
        if let Err(error) = journal.note(&self.run_id, &self.all()) {
            let why = format!("{}: {error}", journal.path.display());
            let mut unwritten = self
                .unwritten
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            unwritten.get_or_insert(why);
        }
    }

    /// Why what is left could not be noted, once.
    pub(crate) fn unwritten(&self) -> Option<String> {
        let mut unwritten = self
            .unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        unwritten.take()
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
        drop(varied);
        self.note();
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
        drop(varied);
        self.note();
    }

    /// Everything, in the order in which it was done: cases come after the set-up.
    fn all(&self) -> Vec<Undo> {
        let undo = self.undo.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = undo.clone();
        drop(undo);
        let varied = self.varied.lock().unwrap_or_else(PoisonError::into_inner);
        let varied = varied.iter();
        all.extend(varied.map(|(object, back)| Undo::Vary(object.clone(), back.clone())));
        all
    }

    /// The same, which is then another's to do.
    fn take(&self) -> Vec<Undo> {
        let all = self.all();
        self.undo
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.varied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        all
    }

    /// Notes what is left while it is taken back.
    fn remains(&self, left: &[Undo]) {
        *self.undo.lock().unwrap_or_else(PoisonError::into_inner) = left.to_vec();
        self.note();
    }
}

impl ClusterAccess {
    /// Takes back everything this access made and changed, newest first, and returns what could not
    /// be taken back. Does nothing on clusters that vanish with the run.
    pub async fn tear_down(&self) -> Vec<Error> {
        let mut left = self.owned.take();
        if self.facts.ephemeral {
            return Vec::new();
        }
        let mut errors = Vec::new();
        let mut failed = Vec::new();
        while let Some(undo) = left.pop() {
            if let Err(error) = self.undo(&undo).await {
                errors.push(error);
                failed.insert(0, undo);
            }
            let remains = [left.as_slice(), failed.as_slice()].concat();
            self.owned.remains(&remains);
        }
        // What could not be taken back is a later command's to do, not this one's again.
        drop(self.owned.take());
        if let Some(why) = self.owned.unwritten() {
            errors.push(self.failed("note what is left to take back", why));
        }
        errors
    }

    /// Notes what this access makes and changes in a file, until it is taken back.
    #[must_use]
    pub fn noting(self, journal: Journal) -> Self {
        self.owned.keep(journal, Vec::new());
        self
    }

    /// Takes over what another run has left.
    #[must_use]
    pub fn taking_over(self, found: Found) -> Self {
        self.owned.keep(found.journal, found.left);
        self
    }

    /// Deletes everything that carries the label of this access's run, whoever made it.
    pub async fn sweep(&self) -> Swept {
        let run = self.run_id();
        let mut swept = Swept::default();
        self.sweep_ports(&mut swept).await;
        let labelled = ListParams::default().labels(&format!("{RUN_LABEL}={run}"));
        for resource in kinds::swept() {
            let all = dynamic(self.client.clone(), &resource, None);
            let doing = format!("list {} of run {run}", resource.plural);
            match all.list(&labelled).await {
                Ok(listed) => {
                    for object in listed {
                        self.sweep_one(&resource, &object, &mut swept).await;
                    }
                }
                Err(kube::Error::Api(status)) if status.code == 403 => {
                    swept.unseen.push(resource.plural.clone());
                }
                // A cluster without Istio has none of its kinds.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => swept.errors.push(self.api_error(doing, error)),
            }
        }
        swept
    }

    /// Ports of the gateways' Services carry no label of their own.
    async fn sweep_ports(&self, swept: &mut Swept) {
        let gateways = [&self.facts.egress.namespace, &self.facts.ingress.namespace];
        for namespace in BTreeSet::from(gateways) {
            let claimed = match self.claimed_ports(namespace).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    swept.errors.push(error);
                    continue;
                }
            };
            for (name, ports) in claimed {
                match self.release_ports(namespace, &name, &ports).await {
                    Ok(()) => {
                        let ports: Vec<String> = ports.iter().map(u64::to_string).collect();
                        let ports = ports.join(", ");
                        swept
                            .gone
                            .push(format!("port {ports} of Service {namespace}/{name}"));
                    }
                    Err(error) => swept.errors.push(error),
                }
            }
        }
    }

    async fn sweep_one(&self, resource: &ApiResource, object: &DynamicObject, swept: &mut Swept) {
        // What is going already needs nobody.
        if object.metadata.deletion_timestamp.is_some() {
            return;
        }
        let (namespace, name) = (object.metadata.namespace.clone(), object.name_any());
        let undo = Undo::Delete {
            resource: resource.clone(),
            namespace: namespace.clone(),
            name: name.clone(),
        };
        match self.undo(&undo).await {
            Ok(()) => {
                let place = namespace.map_or_else(String::new, |space| format!("{space}/"));
                swept.gone.push(format!("{} {place}{name}", resource.kind));
            }
            Err(error) => swept.errors.push(error),
        }
    }

    /// Runs whose namespaces are there, by their label.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn runs_here(&self) -> Result<BTreeSet<String>, Error> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let labelled = ListParams::default().labels(RUN_LABEL);
        let listed = namespaces.list_metadata(&labelled).await;
        let listed = listed.map_err(|error| self.api_error("list namespaces of runs", error))?;
        let runs = listed.items.into_iter().filter_map(|namespace| {
            let going = namespace.metadata.deletion_timestamp.is_some();
            let run = namespace.labels().get(RUN_LABEL).cloned();
            run.filter(|_| !going)
        });
        Ok(runs.collect())
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
            Undo::Release {
                namespace,
                name,
                ports,
            } => self.release_ports(namespace, name, ports).await,
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
