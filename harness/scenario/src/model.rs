//! What a scenario sets up.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{At, Case, Injection, ObjectName, Overlay, Secret, Side};

/// A scenario file.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// The version of the format: `meshproof.dev/v1alpha1`.
    #[schemars(with = "crate::schema::ApiVersion")]
    pub api_version: At<String>,
    /// `Scenario`.
    #[schemars(with = "crate::schema::Kind")]
    pub kind: At<String>,
    /// What it is called and what it is about.
    pub metadata: Metadata,
    /// Names that the rest of the file, and every manifest and patch, may use as `${NAME}`.
    #[serde(default)]
    pub bindings: IndexMap<At<String>, At<Binding>>,
    /// The certificates that are made for the run.
    pub certificates: Certificates,
    /// The two clusters.
    pub clusters: Clusters,
    /// The database that the sessions go to.
    pub database: Database,
    /// Variations with a name, for several cases.
    #[serde(default)]
    pub overlays: IndexMap<At<String>, At<Overlay>>,
    /// The cases, in the order of the file.
    pub cases: At<Vec<At<Case>>>,
}

/// What a scenario is called and what it is about.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metadata {
    /// Lower-case letters, digits and hyphens, at most 63.
    pub name: At<String>,
    /// One sentence for readers of reports.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub description: Option<At<String>>,
    /// Words to select scenarios by.
    #[serde(default)]
    pub labels: Vec<At<String>>,
}

/// The value of a binding.
#[derive(Clone, Debug, PartialEq)]
pub enum Binding {
    /// Text, which may use other bindings.
    Literal(String),
    /// An address to be looked up in a cluster.
    Address(AddressOf, ServiceLookup),
}

/// Whose address is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressOf {
    /// The first address in `status.loadBalancer.ingress` of the Service.
    LoadBalancer,
    /// The first ready pod behind the Service.
    Endpoint,
}

impl AddressOf {
    /// As plans name it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::LoadBalancer => "load balancer",
            Self::Endpoint => "a pod",
        }
    }
}

/// A Service that is there before the scenario is set up.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceLookup {
    /// The cluster that has the Service.
    pub cluster: Side,
    /// The Service.
    pub service: At<ObjectName>,
}

/// The certificates that are made for a run: root, intermediate, application, client.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Certificates {
    /// The DNS name of the application's and the client's certificate.
    pub dns_name: At<String>,
}

/// The two clusters.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Clusters {
    /// The cluster that the SQL comes from.
    pub client: Cluster,
    /// The cluster that the database runs in.
    pub server: Cluster,
}

/// What is set up in one cluster.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Cluster {
    /// Istio's mesh configuration, a path relative to this file.
    pub mesh_config: At<String>,
    /// Namespaces and whether their pods get sidecars.
    #[serde(default)]
    pub namespaces: IndexMap<At<String>, Namespace>,
    /// Secrets made from the certificates of the run, by `namespace/name`.
    #[serde(default)]
    pub secrets: IndexMap<At<ObjectName>, Secret>,
    /// Changes to Services that exist already; undone after the run.
    #[serde(default)]
    pub patches: Vec<Patch>,
    /// Manifests to apply, in this order; paths relative to this file.
    #[serde(default)]
    pub manifests: Vec<At<String>>,
    /// Pods that clients run in.
    #[serde(default)]
    pub pods: IndexMap<At<String>, Pod>,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Namespace {
    /// Whether its pods get a sidecar.
    pub injection: Injection,
}

/// A JSON patch (RFC 6902) of a Service.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Patch {
    /// The Service.
    pub service: At<ObjectName>,
    /// The file with the patch, a path relative to this file.
    pub json: At<String>,
}

/// A pod that clients run in.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pod {
    /// Its namespace, one of those declared.
    pub namespace: At<String>,
    /// The image with the client program.
    pub image: At<String>,
    /// Environment of its container.
    #[serde(default)]
    pub env: IndexMap<At<String>, At<String>>,
}

/// The database that the sessions go to.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Database {
    /// The cluster it runs in.
    pub cluster: At<Side>,
    /// The Deployment.
    pub workload: At<ObjectName>,
    /// The port that mysqld listens on.
    pub port: At<u16>,
    /// The user that clients and the harness log in as.
    pub user: At<String>,
    /// Where the password is.
    pub password: Password,
    /// Statements that the harness runs on the server's side before any case: accounts, for example.
    #[serde(default)]
    pub prepare: Vec<At<String>>,
}

/// Where the database's password is: a Secret in the database's cluster, made by a manifest.
///
/// The harness copies it as a Secret of the same name into each namespace with client pods, and
/// client containers get it as `MYSQL_PWD` by reference. It never stands in a command line.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Password {
    /// The Secret.
    pub secret: At<ObjectName>,
    /// The key within it.
    pub key: At<String>,
}

impl Clusters {
    /// The cluster of a side.
    pub const fn get(&self, side: Side) -> &Cluster {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// Both, the client's first.
    pub fn iter(&self) -> impl Iterator<Item = (Side, &Cluster)> {
        [(Side::Client, &self.client), (Side::Server, &self.server)].into_iter()
    }
}

impl Scenario {
    /// The pod of that name and the cluster it runs in.
    pub fn pod(&self, name: &str) -> Option<(Side, &Pod)> {
        self.clusters
            .iter()
            .find_map(|(side, cluster)| cluster.pods.get(name).map(|pod| (side, pod)))
    }

    /// Every variation that it knows: those with names, and those of its cases.
    pub fn all_overlays(&self) -> impl Iterator<Item = &Overlay> {
        let named = self.overlays.values();
        let cases = self.cases.iter().flat_map(|case| {
            let own = case.with.iter().chain(&case.sabotage);
            own.chain(&case.during)
        });
        named.chain(cases).map(|at| &at.value)
    }

    /// The same, to be changed.
    pub fn all_overlays_mut(&mut self) -> impl Iterator<Item = &mut Overlay> {
        let named = self.overlays.values_mut();
        let cases = self.cases.value.iter_mut().flat_map(|case| {
            let case = &mut case.value;
            let own = case.with.iter_mut().chain(&mut case.sabotage);
            own.chain(&mut case.during)
        });
        named.chain(cases).map(|at| &mut at.value)
    }

    /// The case of that name.
    pub fn case(&self, name: &str) -> Option<&At<Case>> {
        self.cases.iter().find(|case| *case.name == name)
    }
}
