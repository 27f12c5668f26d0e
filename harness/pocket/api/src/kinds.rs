//! The kinds that the embedded clusters serve, and under which groups and versions.
//!
//! Everything else answers 404, as Kubernetes does for kinds that it lacks.
//! Short names, categories and verbs are those of kube-apiserver 1.36 and of
//! Istio 1.32's CustomResourceDefinitions.

/// A served kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)] // the names are Kubernetes' and Istio's own
pub enum Kind {
    Namespace,
    Pod,
    Service,
    ConfigMap,
    Secret,
    ServiceAccount,
    PersistentVolumeClaim,
    Node,
    Event,
    ReplicaSet,
    Deployment,
    EndpointSlice,
    Role,
    RoleBinding,
    ClusterRole,
    ClusterRoleBinding,
    CustomResourceDefinition,
    Gateway,
    VirtualService,
    DestinationRule,
    ServiceEntry,
    Sidecar,
    WorkloadEntry,
    WorkloadGroup,
    EnvoyFilter,
    ProxyConfig,
    PeerAuthentication,
    RequestAuthentication,
    AuthorizationPolicy,
    Telemetry,
}

/// What is fixed about a kind.
#[derive(Debug)]
pub struct KindInfo {
    /// The kind.
    pub kind: Kind,
    /// Its name in `kind`.
    pub name: &'static str,
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Served versions, the preferred and stored one first.
    pub versions: &'static [&'static str],
    /// Name in URLs.
    pub plural: &'static str,
    /// Singular name for command lines.
    pub singular: &'static str,
    /// Short names for command lines.
    pub short: &'static [&'static str],
    /// Categories such as `all`.
    pub categories: &'static [&'static str],
    /// Lives in a namespace.
    pub namespaced: bool,
    /// Subresources with their own discovery entries.
    pub subresources: &'static [Subresource],
    /// Has a `status` that only the `status` subresource writes.
    pub has_status: bool,
    /// Has `metadata.generation`, bumped on each change of what is not metadata or status.
    pub has_generation: bool,
}

/// One subresource in discovery.
#[derive(Debug)]
pub struct Subresource {
    /// Path segment.
    pub name: &'static str,
    /// Group and version of `kind` where it is not the parent's.
    pub group_version: Option<(&'static str, &'static str)>,
    /// Kind it speaks, empty for the parent's.
    pub kind: &'static str,
    /// Verbs.
    pub verbs: &'static [&'static str],
}

const STATUS: Subresource = Subresource {
    name: "status",
    group_version: None,
    kind: "",
    verbs: &["get", "patch", "update"],
};
const SCALE: Subresource = Subresource {
    name: "scale",
    group_version: Some(("autoscaling", "v1")),
    kind: "Scale",
    verbs: &["get", "patch", "update"],
};
const STATUS_ONLY: &[Subresource] = &[STATUS];
const WORKLOAD: &[Subresource] = &[SCALE, STATUS];
const NAMESPACE_SUB: &[Subresource] = &[
    Subresource {
        name: "finalize",
        group_version: None,
        kind: "",
        verbs: &["update"],
    },
    STATUS,
];
const POD_SUB: &[Subresource] = &[
    Subresource {
        name: "attach",
        group_version: None,
        kind: "PodAttachOptions",
        verbs: &["create", "get"],
    },
    Subresource {
        name: "exec",
        group_version: None,
        kind: "PodExecOptions",
        verbs: &["create", "get"],
    },
    Subresource {
        name: "log",
        group_version: None,
        kind: "",
        verbs: &["get"],
    },
    Subresource {
        name: "portforward",
        group_version: None,
        kind: "PodPortForwardOptions",
        verbs: &["create", "get"],
    },
    STATUS,
];

const ISTIO_NETWORKING: &str = "networking.istio.io";
const ISTIO_SECURITY: &str = "security.istio.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const NETWORKING_VERSIONS: &[&str] = &["v1", "v1beta1", "v1alpha3"];
const NETWORKING_CATEGORIES: &[&str] = &["istio-io", "networking-istio-io"];
const SECURITY_CATEGORIES: &[&str] = &["istio-io", "security-istio-io"];

/// Terse row of the table; `flags`: n namespaced, s status, g generation.
#[allow(clippy::too_many_arguments)]
const fn row(
    kind: Kind,
    name: &'static str,
    group: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
    flags: (bool, bool, bool),
    subresources: &'static [Subresource],
) -> KindInfo {
    let (namespaced, has_status, has_generation) = flags;
    KindInfo {
        kind,
        name,
        group,
        versions: &["v1"],
        plural,
        singular,
        short,
        categories: &[],
        namespaced,
        subresources,
        has_status,
        has_generation,
    }
}

const fn categories(mut info: KindInfo, categories: &'static [&'static str]) -> KindInfo {
    info.categories = categories;
    info
}

const fn istio(
    kind: Kind,
    name: &'static str,
    group_versions: (
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    ),
    plural: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
) -> KindInfo {
    let (group, versions, categories) = group_versions;
    KindInfo {
        kind,
        name,
        group,
        versions,
        plural,
        singular,
        short,
        categories,
        namespaced: true,
        subresources: STATUS_ONLY,
        has_status: true,
        has_generation: true,
    }
}

const NS: bool = true;
const CLUSTER: bool = false;
const NET: (&str, &[&str], &[&str]) =
    (ISTIO_NETWORKING, NETWORKING_VERSIONS, NETWORKING_CATEGORIES);
const SEC: (&str, &[&str], &[&str]) = (ISTIO_SECURITY, &["v1", "v1beta1"], SECURITY_CATEGORIES);
const ALL: &[&str] = &["all"];

/// Every served kind, in the order of [`Kind`].
pub static KINDS: &[KindInfo] = &[
    row(
        Kind::Namespace,
        "Namespace",
        "",
        "namespaces",
        "namespace",
        &["ns"],
        (CLUSTER, true, false),
        NAMESPACE_SUB,
    ),
    categories(
        row(
            Kind::Pod,
            "Pod",
            "",
            "pods",
            "pod",
            &["po"],
            (NS, true, true),
            POD_SUB,
        ),
        ALL,
    ),
    categories(
        row(
            Kind::Service,
            "Service",
            "",
            "services",
            "service",
            &["svc"],
            (NS, true, false),
            STATUS_ONLY,
        ),
        ALL,
    ),
    row(
        Kind::ConfigMap,
        "ConfigMap",
        "",
        "configmaps",
        "configmap",
        &["cm"],
        (NS, false, false),
        &[],
    ),
    row(
        Kind::Secret,
        "Secret",
        "",
        "secrets",
        "secret",
        &[],
        (NS, false, false),
        &[],
    ),
    row(
        Kind::ServiceAccount,
        "ServiceAccount",
        "",
        "serviceaccounts",
        "serviceaccount",
        &["sa"],
        (NS, false, false),
        &[],
    ),
    row(
        Kind::PersistentVolumeClaim,
        "PersistentVolumeClaim",
        "",
        "persistentvolumeclaims",
        "persistentvolumeclaim",
        &["pvc"],
        (NS, true, false),
        STATUS_ONLY,
    ),
    row(
        Kind::Node,
        "Node",
        "",
        "nodes",
        "node",
        &["no"],
        (CLUSTER, true, false),
        STATUS_ONLY,
    ),
    row(
        Kind::Event,
        "Event",
        "",
        "events",
        "event",
        &["ev"],
        (NS, false, false),
        &[],
    ),
    categories(
        row(
            Kind::ReplicaSet,
            "ReplicaSet",
            "apps",
            "replicasets",
            "replicaset",
            &["rs"],
            (NS, true, true),
            WORKLOAD,
        ),
        ALL,
    ),
    categories(
        row(
            Kind::Deployment,
            "Deployment",
            "apps",
            "deployments",
            "deployment",
            &["deploy"],
            (NS, true, true),
            WORKLOAD,
        ),
        ALL,
    ),
    row(
        Kind::EndpointSlice,
        "EndpointSlice",
        "discovery.k8s.io",
        "endpointslices",
        "endpointslice",
        &[],
        (NS, false, true),
        &[],
    ),
    row(
        Kind::Role,
        "Role",
        RBAC,
        "roles",
        "role",
        &[],
        (NS, false, false),
        &[],
    ),
    row(
        Kind::RoleBinding,
        "RoleBinding",
        RBAC,
        "rolebindings",
        "rolebinding",
        &[],
        (NS, false, false),
        &[],
    ),
    row(
        Kind::ClusterRole,
        "ClusterRole",
        RBAC,
        "clusterroles",
        "clusterrole",
        &[],
        (CLUSTER, false, false),
        &[],
    ),
    row(
        Kind::ClusterRoleBinding,
        "ClusterRoleBinding",
        RBAC,
        "clusterrolebindings",
        "clusterrolebinding",
        &[],
        (CLUSTER, false, false),
        &[],
    ),
    categories(
        row(
            Kind::CustomResourceDefinition,
            "CustomResourceDefinition",
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            "customresourcedefinition",
            &["crd", "crds"],
            (CLUSTER, true, true),
            STATUS_ONLY,
        ),
        &["api-extensions"],
    ),
    istio(
        Kind::Gateway,
        "Gateway",
        NET,
        "gateways",
        "gateway",
        &["gw"],
    ),
    istio(
        Kind::VirtualService,
        "VirtualService",
        NET,
        "virtualservices",
        "virtualservice",
        &["vs"],
    ),
    istio(
        Kind::DestinationRule,
        "DestinationRule",
        NET,
        "destinationrules",
        "destinationrule",
        &["dr"],
    ),
    istio(
        Kind::ServiceEntry,
        "ServiceEntry",
        NET,
        "serviceentries",
        "serviceentry",
        &["se"],
    ),
    istio(Kind::Sidecar, "Sidecar", NET, "sidecars", "sidecar", &[]),
    istio(
        Kind::WorkloadEntry,
        "WorkloadEntry",
        NET,
        "workloadentries",
        "workloadentry",
        &["we"],
    ),
    istio(
        Kind::WorkloadGroup,
        "WorkloadGroup",
        NET,
        "workloadgroups",
        "workloadgroup",
        &["wg"],
    ),
    istio(
        Kind::EnvoyFilter,
        "EnvoyFilter",
        (ISTIO_NETWORKING, &["v1alpha3"], NETWORKING_CATEGORIES),
        "envoyfilters",
        "envoyfilter",
        &[],
    ),
    istio(
        Kind::ProxyConfig,
        "ProxyConfig",
        (ISTIO_NETWORKING, &["v1beta1"], NETWORKING_CATEGORIES),
        "proxyconfigs",
        "proxyconfig",
        &[],
    ),
    istio(
        Kind::PeerAuthentication,
        "PeerAuthentication",
        SEC,
        "peerauthentications",
        "peerauthentication",
        &["pa"],
    ),
    istio(
        Kind::RequestAuthentication,
        "RequestAuthentication",
        SEC,
        "requestauthentications",
        "requestauthentication",
        &["ra"],
    ),
    istio(
        Kind::AuthorizationPolicy,
        "AuthorizationPolicy",
        SEC,
        "authorizationpolicies",
        "authorizationpolicy",
        &["ap"],
    ),
    istio(
        Kind::Telemetry,
        "Telemetry",
        (
            "telemetry.istio.io",
            &["v1", "v1alpha1"],
            &["istio-io", "telemetry-istio-io"],
        ),
        "telemetries",
        "telemetry",
        &["telemetry"],
    ),
];

impl Kind {
    /// What is fixed about the kind.
    pub fn info(self) -> &'static KindInfo {
        &KINDS[self as usize]
    }

    /// The kind of a group and a `kind` word, whatever the version.
    pub fn named(group: &str, name: &str) -> Option<Self> {
        KINDS
            .iter()
            .find(|info| info.group == group && info.name == name)
            .map(|info| info.kind)
    }

    /// The kind of an object by its `apiVersion` and `kind`; `None` if it is not served.
    pub fn of(api_version: &str, name: &str) -> Option<Self> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self::named(group, name).filter(|kind| kind.info().versions.contains(&version))
    }

    /// The kind served at a group, version and plural.
    pub fn at(group: &str, version: &str, plural: &str) -> Option<Self> {
        KINDS
            .iter()
            .find(|info| {
                info.group == group && info.plural == plural && info.versions.contains(&version)
            })
            .map(|info| info.kind)
    }

    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|info| info.kind)
    }
}

impl KindInfo {
    /// Stored `apiVersion`, such as `apps/v1`.
    pub fn api_version(&self) -> String {
        api_version(self.group, self.versions[0])
    }

    /// An extension of Istio's or another CustomResourceDefinition, where Kubernetes behaves
    /// differently: no strategic merge patch, unconditional updates refused.
    pub fn is_custom(&self) -> bool {
        self.group.ends_with(".istio.io")
    }
}

/// `group/version`, or the version alone for the core group.
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, info) in KINDS.iter().enumerate() {
            assert_eq!(info.kind as usize, index, "{}", info.name);
            assert_eq!(format!("{:?}", info.kind), info.name);
        }
    }

    #[test]
    fn kinds_are_found_by_version_and_path() {
        assert_eq!(
            Kind::of("networking.istio.io/v1alpha3", "Gateway"),
            Some(Kind::Gateway)
        );
        assert_eq!(Kind::of("networking.istio.io/v2", "Gateway"), None);
        assert_eq!(Kind::at("", "v1", "pods"), Some(Kind::Pod));
        assert_eq!(Kind::at("apps", "v1", "pods"), None);
    }
}
