//! Server-side apply of manifests and namespaces.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::ApiResource;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::access::ClusterAccess;
use crate::error::Result;
use crate::kinds::{self, Kind};
use crate::manifest::Manifest;
use crate::owned::{RUN_LABEL, Undo, dynamic, label};

/// The field manager of every write.
pub const FIELD_MANAGER: &str = "meshproof";

/// Requests under way at once: the API server's priority queues are shared with others.
const AT_ONCE: usize = 8;

/// What was applied, to be waited for.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Objects on which the mesh reports by a condition.
    pub(crate) mesh_objects: Vec<MeshObject>,
    /// The highest resource version among all that was written.
    pub(crate) version: u64,
}

/// An applied Istio object.
#[derive(Clone, Debug)]
pub(crate) struct MeshObject {
    pub(crate) resource: ApiResource,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) generation: i64,
}

impl Applied {
    /// Joins two sets of what was applied.
    pub fn merge(&mut self, other: Self) {
        self.mesh_objects.extend(other.mesh_objects);
        self.version = self.version.max(other.version);
    }

    /// The highest resource version written, 0 when the server's versions are not numbers.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn written(version: Option<String>) -> Self {
        Self {
            mesh_objects: Vec::new(),
            version: version.and_then(|v| v.parse().ok()).unwrap_or(0),
        }
    }
}

impl ClusterAccess {
    /// Applies all manifests, several at once, those that others need (accounts, configuration)
    /// first.
    ///
    /// # Errors
    /// The first refusal, with the file and line of its document.
    pub async fn apply(&self, manifests: &[Manifest], default_namespace: &str) -> Result<Applied> {
        let mut applied = Applied::default();
        for rank in 0..=LAST_RANK {
            let of_rank = manifests
                .iter()
                .filter(|manifest| self::rank(manifest) == rank);
            let found: Vec<Applied> =
                stream::iter(of_rank.map(|m| self.apply_one(m, default_namespace)))
                    .buffer_unordered(AT_ONCE)
                    .try_collect()
                    .await?;
            for one in found {
                applied.merge(one);
            }
        }
        Ok(applied)
    }

    async fn apply_one(&self, manifest: &Manifest, default_namespace: &str) -> Result<Applied> {
        let Kind {
            resource,
            namespaced,
        } = self.kind_of(manifest).await?;
        let namespace = namespaced.then(|| {
            manifest
                .namespace
                .clone()
                .unwrap_or_else(|| default_namespace.to_owned())
        });
        let api = dynamic(self.client.clone(), &resource, namespace.as_deref());
        let mut object = manifest.object.clone();
        label(&mut object, self.run_id());
        let doing = format!("{}: apply {}", manifest.origin, manifest.title());
        let existed = self.facts.ephemeral
            || self
                .found(&doing, api.get_metadata(&manifest.name).await)?
                .is_some();
        let result = api
            .patch(&manifest.name, &parameters(), &Patch::Apply(&object))
            .await
            .map_err(|error| self.api_error(doing, error))?;
        if !existed {
            self.owned.remember(Undo::Delete {
                resource: resource.clone(),
                namespace: namespace.clone(),
                name: manifest.name.clone(),
            });
        }
        Ok(applied(resource, namespace.unwrap_or_default(), &result))
    }

    /// Makes sure that a namespace exists with these labels. Labels of a namespace that was there
    /// before are set as this program's own, so that setting what somebody else owns differently is
    /// refused by the server, and they are taken back at the end.
    ///
    /// # Errors
    /// The server refuses; a label conflict names its other manager.
    pub async fn ensure_namespace(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<Applied> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let doing = format!("create namespace {name}");
        let existing = if self.facts.ephemeral {
            None
        } else {
            self.found(&doing, api.get(name).await)?
        };
        let satisfied = existing.as_ref().is_some_and(|found| {
            labels
                .iter()
                .all(|(key, value)| found.labels().get(key) == Some(value))
        });
        if satisfied {
            return Ok(Applied::default());
        }
        let mut all = labels.clone();
        if existing.is_none() {
            all.insert(RUN_LABEL.to_owned(), self.run_id().to_owned());
        }
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": all}});
        let result = api
            .patch(name, &parameters(), &Patch::Apply(&object))
            .await
            .map_err(|error| self.api_error(doing, error))?;
        self.owned
            .remember(undo_namespace(name, existing.is_some(), labels));
        Ok(Applied::written(result.resource_version()))
    }
}

pub(crate) fn parameters() -> PatchParams {
    PatchParams {
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply(FIELD_MANAGER)
    }
}

pub(crate) fn applied(resource: ApiResource, namespace: String, result: &DynamicObject) -> Applied {
    let mut applied = Applied::written(result.resource_version());
    if kinds::is_istio(&resource.group) {
        applied.mesh_objects.push(MeshObject {
            resource,
            namespace,
            name: result.name_any(),
            generation: result.metadata.generation.unwrap_or(0),
        });
    }
    applied
}

fn undo_namespace(name: &str, existed: bool, labels: &BTreeMap<String, String>) -> Undo {
    let resource = ApiResource::erase::<Namespace>(&());
    let name = name.to_owned();
    if !existed {
        return Undo::Delete {
            resource,
            namespace: None,
            name,
        };
    }
    let operations: Vec<Value> = labels
        .keys()
        .map(|key| json!({"op": "remove", "path": format!("/metadata/labels/{}", key.replace('~', "~0").replace('/', "~1"))}))
        .collect();
    let patch = serde_json::from_value(Value::Array(operations)).unwrap_or_default();
    Undo::Restore {
        resource,
        namespace: None,
        name,
        patch,
    }
}

const LAST_RANK: u8 = 2;

/// Kinds that others need to exist come first.
fn rank(manifest: &Manifest) -> u8 {
    match manifest.gvk.kind.as_str() {
        "Namespace" | "CustomResourceDefinition" => 0,
        "ConfigMap" | "Secret" | "ServiceAccount" | "PersistentVolumeClaim" => 1,
        _ => LAST_RANK,
    }
}
