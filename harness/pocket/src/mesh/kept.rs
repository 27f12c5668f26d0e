//! What the control plane keeps from one round to the next, so that each does only what changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use meshproof_mesh::{Compiler, MeshConfig, MeshConfigError, Objects, ProxyConfig, ProxyId};
use meshproof_pocket_api::{Kind, Store};
use serde_json::Value;

use crate::install::{DEFAULT_MESH_CONFIG, ISTIO_SYSTEM, MESH_CONFIG_MAP};

/// What one round leaves for the next.
#[derive(Default)]
pub(super) struct Kept {
    compiler: Compiler,
    objects: Option<Objects>,
    mesh: Option<KeptMesh>,
}

/// The mesh configuration and the ConfigMap that it was read from.
struct KeptMesh {
    map: Option<Arc<Value>>,
    config: Arc<MeshConfig>,
    problem: Option<String>,
}

impl Kept {
    /// The mesh configuration in force; read again only where its ConfigMap is another.
    pub(super) fn mesh(&mut self, store: &Store, problems: &mut Vec<String>) -> Arc<MeshConfig> {
        let map = mesh_map(store);
        let kept = match self.mesh.take() {
            Some(kept) if kept.map == map => kept,
            _ => KeptMesh::read(map),
        };
        problems.extend(kept.problem.clone());
        Arc::clone(&self.mesh.insert(kept).config)
    }

    /// Compiles every proxy; what is as it was in the last round is the same `Arc`.
    pub(super) fn compile(
        &mut self,
        mesh: Arc<MeshConfig>,
        objects: impl Iterator<Item = Arc<Value>>,
    ) -> BTreeMap<ProxyId, Arc<ProxyConfig>> {
        let objects = match &self.objects {
            Some(before) => before.next(mesh, objects),
            None => Objects::new(mesh, objects),
        };
        let configs = self.compiler.round(&objects);
        self.objects = Some(objects);
        configs
    }
}

impl KeptMesh {
    fn read(map: Option<Arc<Value>>) -> Self {
        let (config, problem) = match read_mesh(map.as_deref()) {
            Ok(config) => (config, None),
            Err(error) => {
                let problem = format!("configmap {ISTIO_SYSTEM}/{MESH_CONFIG_MAP}: {error}");
                (default_mesh_config(), Some(problem))
            }
        };
        Self {
            map,
            config: Arc::new(config),
            problem,
        }
    }
}

/// The mesh configuration in force.
pub(crate) fn mesh_config(store: &Store) -> Result<MeshConfig, MeshConfigError> {
    read_mesh(mesh_map(store).as_deref())
}

fn mesh_map(store: &Store) -> Option<Arc<Value>> {
    store.get(Kind::ConfigMap, ISTIO_SYSTEM, MESH_CONFIG_MAP)
}

fn read_mesh(map: Option<&Value>) -> Result<MeshConfig, MeshConfigError> {
    let text = map
        .and_then(|m| m.pointer("/data/mesh"))
        .and_then(Value::as_str);
    MeshConfig::from_yaml(text.unwrap_or(DEFAULT_MESH_CONFIG))
}

/// The mesh configuration of a cluster without one.
pub(crate) fn default_mesh_config() -> MeshConfig {
    MeshConfig::from_yaml(DEFAULT_MESH_CONFIG).expect("the default mesh configuration is valid")
}
