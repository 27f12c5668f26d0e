//! The configuration of one proxy.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{Objects, ProxyId, SecretValue};

/// What one Envoy is told, in Envoy's JSON with proto field names.
///
/// EDS and SDS sources are `{"ads": {}}`, so that all of it can be pushed over one ADS stream to a
/// stock Envoy. Names are unique within each list; order is stable.
#[derive(Clone, Debug, Default)]
pub struct ProxyConfig {
    /// `envoy.config.listener.v3.Listener`, each with its `name`.
    pub listeners: Vec<Value>,
    /// `envoy.config.cluster.v3.Cluster`, each with its `name`.
    pub clusters: Vec<Value>,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`, each with its `cluster_name`.
    pub endpoints: Vec<Value>,
    /// Every secret that listeners and clusters ask for by SDS name. `None`: asked for and not
    /// served, so Envoy waits for it (for ever, or 15 s, by the `initial_fetch_timeout` of the source).
    pub secrets: BTreeMap<String, Option<SecretValue>>,
}

/// Compiles the configuration of `proxy`. A proxy that is not among [`Objects::proxies`] gets an
/// empty configuration.
pub fn compile(_objects: &Objects, _proxy: &ProxyId) -> ProxyConfig {
    ProxyConfig::default()
}
