//! An immutable snapshot of a cluster.

use std::{fmt, sync::Arc};

use serde_json::Value;

use crate::MeshConfig;

/// A pod with an `istio-proxy` container, among `containers` or as a native sidecar among
/// `initContainers`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyId {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
}

impl fmt::Display for ProxyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Kubernetes and Istio objects of one cluster, read once.
#[derive(Debug)]
pub struct Objects {
    mesh: Arc<MeshConfig>,
}

impl Objects {
    /// Reads `objects` as an API server stores them (a Secret has `data`, not `stringData`).
    /// An object that [`crate::admit`] refuses takes no effect.
    pub fn new(mesh: Arc<MeshConfig>, _objects: impl IntoIterator<Item = Arc<Value>>) -> Self {
        Self { mesh }
    }

    /// The mesh configuration that the snapshot was made with.
    pub fn mesh(&self) -> &MeshConfig {
        &self.mesh
    }

    /// Pods that run a proxy and have an address, in order of namespace and name.
    pub fn proxies(&self) -> Vec<ProxyId> {
        Vec::new()
    }
}
