//! The configuration of one proxy.

mod access_log;
mod attachment;
mod cluster;
mod compiler;
mod conflict;
mod duplicates;
mod endpoints;
pub(crate) mod envoy;
mod gateway;
mod inbound;
mod inspectors;
mod memo;
mod mtls;
mod outbound;
mod outlook;
mod rbac;
mod routes;
mod scope;
mod secrets;
mod tcp_proxy;
mod tls;
mod traffic_policy;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::{Objects, ProxyId, SecretValue};

pub use compiler::Compiler;
pub use conflict::Conflict;

/// What one Envoy is told, in Envoy's JSON with proto field names.
///
/// EDS and SDS sources are `{"ads": {}}`, so that all of it can be pushed over one ADS stream to a
/// stock Envoy. Names are unique within each list; order is stable. HTTP is only named, in `http`: a
/// sidecar's HTTP listeners are left out, and such traffic takes the way of traffic to unknown
/// destinations; where it shares a port with other traffic it is told from that by its first bytes, as
/// Istio tells it. A gateway's HTTP servers end connections at the black hole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProxyConfig {
    /// `envoy.config.listener.v3.Listener`, each with its `name`.
    pub listeners: Vec<Arc<Value>>,
    /// `envoy.config.cluster.v3.Cluster`, each with its `name`.
    pub clusters: Vec<Arc<Value>>,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`, each with its `cluster_name`.
    pub endpoints: Vec<Arc<Value>>,
    /// Every secret that listeners and clusters ask for by SDS name. `None`: asked for and not
    /// served, so Envoy waits for it (for ever, or 15 s, by the `initial_fetch_timeout` of the source).
    pub secrets: BTreeMap<String, Option<SecretValue>>,
    /// Where Istio would have a listener for HTTP, or a chain for HTTP in a listener.
    pub http: Vec<HttpPlace>,
    /// Declarations that take no effect at this proxy because others win over them, sorted.
    pub conflicts: Vec<Conflict>,
}

/// An address and port that take HTTP, by name only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpPlace {
    /// The listener's address.
    pub address: String,
    /// The listener's port.
    pub port: u32,
}

/// Compiles the configuration of `proxy`. A proxy that is not among [`Objects::proxies`] gets an
/// empty configuration.
pub fn compile(objects: &Objects, proxy: &ProxyId) -> ProxyConfig {
    Compiler::default()
        .one(objects, proxy)
        .map(Arc::unwrap_or_clone)
        .unwrap_or_default()
}
