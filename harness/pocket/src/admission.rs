//! Admission of the embedded clusters: sidecar injection, and the mesh's judgement of its resources.

use std::sync::Arc;

use meshproof_mesh::MeshConfig;
use meshproof_pocket_api::{
    Admission, AdmissionRequest, Cause, Kind, Operation, StatusError, Store, Warnings,
};
use serde_json::Value;

use crate::controllers::reconcile::inject;
use crate::install::{ISTIO_SYSTEM, MESH_CONFIG_MAP};
use crate::mesh::{default_mesh_config, mesh_config};

/// Admission over one cluster's store.
pub(crate) struct MeshAdmission {
    store: Arc<Store>,
}

impl MeshAdmission {
    /// Injects by the labels of the namespaces in `store`, and judges by its mesh configuration.
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }
}

impl Admission for MeshAdmission {
    fn admit(&self, request: AdmissionRequest<'_>) -> Result<Warnings, StatusError> {
        if !matches!(request.operation, Operation::Create | Operation::Update) {
            return Ok(Warnings::new());
        }
        match request.kind {
            Kind::Pod if request.operation == Operation::Create => {
                inject(&self.store, request.object);
            }
            Kind::ConfigMap if is_mesh_config(request.namespace, request.object) => {
                check_mesh_config(request.object)?;
            }
            kind if kind.info().group.ends_with(".istio.io") => {
                return self.judge(kind, request.object);
            }
            _ => {}
        }
        Ok(Warnings::new())
    }
}

impl MeshAdmission {
    fn judge(&self, kind: Kind, object: &Value) -> Result<Warnings, StatusError> {
        // A broken mesh configuration was refused when it was written.
        let mesh = mesh_config(&self.store).unwrap_or_else(|_| default_mesh_config());
        let verdict = meshproof_mesh::admit(object, &mesh);
        match verdict.error {
            None => Ok(verdict.warnings),
            // The API server gives a webhook's refusal the code that the webhook chose; istiod's is 400.
            Some(message) if verdict.causes.is_empty() => Err(StatusError::bad_request(message)),
            Some(_) => Err(invalid(kind, object, &verdict.causes)),
        }
    }
}

/// Fields that the schema of the kind refuses: the API server's own refusal, not a webhook's.
fn invalid(kind: Kind, object: &Value, causes: &[meshproof_mesh::Cause]) -> StatusError {
    let causes: Vec<Cause> = causes
        .iter()
        .map(|cause| Cause {
            reason: cause.reason,
            field: cause.field.clone(),
            message: cause.message.clone(),
        })
        .collect();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    StatusError::invalid(kind.info().group, kind.info().name, name, &causes)
}

fn is_mesh_config(namespace: &str, object: &Value) -> bool {
    namespace == ISTIO_SYSTEM && object["metadata"]["name"] == MESH_CONFIG_MAP
}

fn check_mesh_config(object: &Value) -> Result<(), StatusError> {
    let text = object
        .pointer("/data/mesh")
        .and_then(Value::as_str)
        .unwrap_or_default();
    MeshConfig::from_yaml(text).map(drop).map_err(|e| {
        StatusError::bad_request(format!(
            "admission webhook \"meshproof.dev\" denied the request: data.mesh: {e}"
        ))
    })
}
