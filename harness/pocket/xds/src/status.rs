//! What is known of a proxy's side of the stream.

use std::{fmt, sync::Arc};

use crate::Version;

/// The name of a proxy, unique within one [`crate::Ads`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProxyKey(pub Arc<str>);

impl From<&str> for ProxyKey {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for ProxyKey {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl From<&Self> for ProxyKey {
    fn from(key: &Self) -> Self {
        key.clone()
    }
}

impl fmt::Display for ProxyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The four kinds of resources, in the order in which they are sent: what others refer to comes first.
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

impl ResourceType {
    pub(crate) const ALL: [Self; 4] = [Self::Cluster, Self::Endpoint, Self::Listener, Self::Secret];

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The full name of the message.
    pub fn message(self) -> &'static str {
        match self {
            Self::Cluster => "envoy.config.cluster.v3.Cluster",
            Self::Endpoint => "envoy.config.endpoint.v3.ClusterLoadAssignment",
            Self::Listener => "envoy.config.listener.v3.Listener",
            Self::Secret => "envoy.extensions.transport_sockets.tls.v3.Secret",
        }
    }

    /// The type URL under which it is asked for.
    pub fn type_url(self) -> String {
        format!("type.googleapis.com/{}", self.message())
    }

    pub(crate) fn from_url(url: &str) -> Option<Self> {
        let name = url.strip_prefix("type.googleapis.com/")?;
        Self::ALL.into_iter().find(|kind| kind.message() == name)
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Cluster => "clusters",
            Self::Endpoint => "endpoints",
            Self::Listener => "listeners",
            Self::Secret => "secrets",
        }
    }

    pub(crate) fn name_field(self) -> &'static str {
        if self == Self::Endpoint {
            "cluster_name"
        } else {
            "name"
        }
    }

    /// Clusters and listeners are asked for as a whole, endpoints and secrets by name.
    pub(crate) fn is_wildcard(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener)
    }
}

/// The proxy refused a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proxy rejected {type_url}: {message}")]
pub struct Rejected {
    /// The type of the refused resources.
    pub type_url: String,
    /// Envoy's own words.
    pub message: String,
    /// Those of the resources that were new to the proxy, where Envoy names them only those it names.
    pub names: Vec<String>,
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
}

/// A resource the proxy asked for that the snapshot does not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unanswered {
    /// The type asked for.
    pub type_url: String,
    /// The name; empty where all of a type were asked for.
    pub name: String,
}

/// A proxy as its stream shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyStatus {
    /// Whether a stream is open.
    pub connected: bool,
    /// The newest version acknowledged as a whole by the connected proxy.
    pub acknowledged: Option<Version>,
    /// The refusal that stands: gone once the type is accepted again.
    pub rejection: Option<Rejected>,
    /// What the proxy asked for and was not given: it warms while it waits.
    pub unanswered: Vec<Unanswered>,
    pub(crate) progress: [Progress; 4],
}

/// How far one type has come on the current stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The proxy has not asked for this type.
    #[default]
    NotAsked,
    /// Sent, not yet answered.
    Waiting,
    /// In force up to this version of the type.
    Acknowledged(u64),
    /// This version of the type was refused.
    Rejected(u64, Rejected),
}

impl ProxyStatus {
    /// Whether the proxy has acknowledged `version` or something newer; not yet is
    /// [`AckError::Deadline`]. What is read together from one status belongs together.
    pub fn answer(&self, version: &Version) -> Result<(), AckError> {
        match self.settled(version) {
            Ok(answer) => Ok(answer?),
            Err(waiting_for) => Err(AckError::Deadline { waiting_for }),
        }
    }

    /// Whether `version` is settled: in force, refused, or (the error's text) still waited for.
    pub(crate) fn settled(&self, version: &Version) -> Result<Result<(), Rejected>, String> {
        if !self.connected {
            return Err("the proxy to connect".to_owned());
        }
        for kind in ResourceType::ALL {
            let wanted = version.types[kind.index()];
            match &self.progress[kind.index()] {
                Progress::Acknowledged(have) if *have >= wanted => {}
                Progress::NotAsked if !kind.is_wildcard() => {}
                Progress::Rejected(refused, why) if *refused >= wanted => {
                    return Ok(Err(why.clone()));
                }
                Progress::NotAsked => {
                    return Err(format!("the proxy to ask for {}", kind.plural()));
                }
                _ => {
                    return Err(format!(
                        "the proxy to answer {}{}",
                        kind.plural(),
                        self.missing()
                    ));
                }
            }
        }
        Ok(Ok(()))
    }

    /// Envoy withholds its answer to clusters while one of them warms, so say what it may wait for.
    fn missing(&self) -> String {
        if self.unanswered.is_empty() {
            return String::new();
        }
        let names: Vec<_> = self
            .unanswered
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        format!(
            " (it asked for {}, which it was not given)",
            names.join(", ")
        )
    }
}
