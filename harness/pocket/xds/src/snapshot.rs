//! What a proxy is to have, as JSON and as encoded resources.

use serde_json::Value;

/// Everything one proxy is to have: Envoy's JSON with proto field names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// `envoy.config.listener.v3.Listener`
    pub listeners: Vec<Value>,
    /// `envoy.config.cluster.v3.Cluster`
    pub clusters: Vec<Value>,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`
    pub endpoints: Vec<Value>,
    /// `envoy.extensions.transport_sockets.tls.v3.Secret`
    pub secrets: Vec<Value>,
}

/// The version of a proxy's snapshot, and which content of each type belongs to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    pub(crate) snapshot: u64,
    pub(crate) types: [u64; 4],
}

/// A resource that does not fit Envoy's API as far as this crate knows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct EncodeError {
    /// Where, for example `listeners[0_0_0_0_3306].filter_chains[0].filters[1].name`.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}
