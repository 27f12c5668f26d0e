//! What is known of a proxy's side of the stream.

use std::sync::Arc;

use crate::Version;

/// The name of a proxy, unique within one [`crate::Ads`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProxyKey(pub Arc<str>);

impl<T: Into<Arc<str>>> From<T> for ProxyKey {
    fn from(name: T) -> Self {
        Self(name.into())
    }
}

/// The four kinds of resources, in the order in which they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceType {
    /// Clusters (CDS).
    Cluster,
    /// Endpoints (EDS).
    Endpoint,
    /// Listeners (LDS).
    Listener,
    /// Secrets (SDS).
    Secret,
}

/// The proxy refused a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proxy rejected {type_url}: {message}")]
pub struct Rejected {
    /// The type of the refused resources.
    pub type_url: String,
    /// Envoy's own words.
    pub message: String,
}

/// Why a version was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// The proxy refused it.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// It was not acknowledged in time.
    #[error("not acknowledged in time: waiting for {waiting_for}")]
    Deadline {
        /// What was missing.
        waiting_for: String,
    },
    /// The proxy is not known to this server.
    #[error("no configuration was ever set for proxy {0}")]
    UnknownProxy(String),
}

/// A proxy as its stream shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyStatus {
    /// Whether a stream is open.
    pub connected: bool,
    /// The newest version acknowledged as a whole.
    pub acknowledged: Option<Version>,
    /// The last refusal, until the type is accepted again.
    pub rejection: Option<Rejected>,
    /// Names the proxy asked for that the snapshot does not have: it warms while it waits.
    pub unanswered: Vec<(ResourceType, String)>,
}
