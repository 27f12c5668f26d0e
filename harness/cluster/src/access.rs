//! One cluster as the runner sees it: a client and a few facts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};

use crate::error::{Error, Result};
use crate::owned::Owned;

/// Which of the two clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Where the SQL comes from.
    Client,
    /// Where the database is.
    Server,
}

impl Side {
    /// The name that scenarios and messages use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A pod by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl PodRef {
    /// `namespace/name`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for PodRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// How a provider tells that applied configuration is active at the proxies. Accepted is not active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActiveEvidence {
    /// The mesh writes a condition `meshproof.dev/Active` on each Istio object, and the ConfigMap
    /// `istio-system/meshproof-mesh-status` for what has no status (Secrets, Services).
    Conditions,
    /// Each proxy's own word, from its admin port: nobody says which proxies a change concerns, so that a change is
    /// taken for active when proxies of the cluster have changed and then nothing more.
    Proxies {
        /// For how long nothing more changes.
        quiet: Duration,
        /// How long nothing at all may change before it is said that nothing does.
        begins_within: Duration,
    },
}

/// Where a gateway lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayFacts {
    /// Namespace of its pods.
    pub namespace: String,
    /// Label selector of its pods, for example `app=istio-ingressgateway`.
    pub selector: String,
}

/// What a provider tells about a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `embedded`, `kind`, `k3s`, `contexts`.
    pub provider: String,
    /// The cluster vanishes with the run: nothing is deleted or restored at the end.
    pub ephemeral: bool,
    /// How active configuration is told from accepted configuration.
    pub active: ActiveEvidence,
    /// The pod that routes between the clusters, with `meshproof-router` in it, where the provider
    /// lets it be looked into.
    pub router_pod: Option<PodRef>,
    /// How long a pod may take to become ready.
    pub ready_within: Duration,
    /// How long applied configuration may take to become active (a Secret that never existed warms
    /// for 15 s in Envoy before the new configuration takes over).
    pub active_within: Duration,
    /// How long a proxy may keep an access-log line to itself. Absence of a line means nothing sooner.
    pub log_flush: Duration,
    /// Its machines have this machine's clock: times in its logs can be compared with ours.
    pub same_clock: bool,
    /// The egress gateway.
    pub egress: GatewayFacts,
    /// The ingress gateway.
    pub ingress: GatewayFacts,
    /// Istio's mesh configuration as the cluster has it (YAML, `MeshConfig` in Istio's `mesh/v1alpha1`), where the
    /// provider found one. `None`: that of the scenario holds.
    pub mesh_config: Option<String>,
    /// Names of the log providers that `Telemetry` resources of the cluster choose beside it.
    pub log_providers: Vec<String>,
    /// The label by which a namespace gets sidecars: `istio-injection=enabled`, or `istio.io/rev` with a revision or tag.
    pub injection: (String, String),
    /// Names and versions of what runs there: `envoy`, `mysqld`, `kubernetes`, `istio`.
    pub versions: BTreeMap<String, String>,
}

impl Facts {
    /// The facts of an Istio installation by its default names, on a provider called `provider`,
    /// with deadlines that suit clusters that pull images.
    pub fn istio_defaults(provider: impl Into<String>) -> Self {
        let gateway = |name: &str| GatewayFacts {
            namespace: "istio-system".to_owned(),
            selector: format!("app={name}"),
        };
        Self {
            provider: provider.into(),
            ephemeral: false,
            // On idle clusters istiod's pushes came within three seconds of a write, some only after ten; it gathers
            // changes for 100 ms and sends them to all proxies at once.
            active: ActiveEvidence::Proxies {
                quiet: Duration::from_millis(1500),
                begins_within: Duration::from_secs(12),
            },
            router_pod: None,
            ready_within: Duration::from_mins(5),
            active_within: Duration::from_secs(30),
            log_flush: Duration::from_secs(1),
            same_clock: false,
            egress: gateway("istio-egressgateway"),
            ingress: gateway("istio-ingressgateway"),
            mesh_config: None,
            log_providers: Vec::new(),
            injection: ("istio-injection".to_owned(), "enabled".to_owned()),
            versions: BTreeMap::new(),
        }
    }
}

/// A cluster that the harness may use.
#[derive(Clone)]
pub struct ClusterAccess {
    /// Which of the two it is.
    pub side: Side,
    /// The only way in.
    pub client: Client,
    /// What its provider says of it.
    pub facts: Facts,
    pub(crate) owned: Arc<Owned>,
}

impl fmt::Debug for ClusterAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterAccess")
            .field("side", &self.side)
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl ClusterAccess {
    /// A cluster behind `client`, for the run `run_id`, which becomes the owner label of all that is made.
    pub fn new(side: Side, client: Client, facts: Facts, run_id: impl Into<String>) -> Self {
        Self {
            side,
            client,
            facts,
            owned: Arc::new(Owned::new(run_id.into())),
        }
    }

    /// The run that owns what this access creates.
    pub fn run_id(&self) -> &str {
        self.owned.run_id()
    }

    pub(crate) fn namespaced<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(crate) fn api_error(&self, doing: impl Into<String>, source: kube::Error) -> Error {
        Error::Api {
            cluster: self.side.to_string(),
            doing: doing.into(),
            source: Box::new(source),
        }
    }

    pub(crate) fn failed(&self, what: impl Into<String>, why: impl Into<String>) -> Error {
        Error::Failed {
            cluster: self.side.to_string(),
            what: what.into(),
            why: why.into(),
        }
    }

    /// Maps the API's 404 to `None`.
    pub(crate) fn found<T>(&self, doing: &str, result: kube::Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(self.api_error(doing, error)),
        }
    }
}
