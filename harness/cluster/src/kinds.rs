//! From `apiVersion` and `kind` to the resource that an API server serves.

use kube::core::{ApiResource, GroupVersionKind};
use kube::discovery::{Scope, oneshot};

use crate::access::ClusterAccess;
use crate::error::{Error, Result};
use crate::manifest::Manifest;

/// A kind as the API server serves it.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) resource: ApiResource,
    pub(crate) namespaced: bool,
}

/// Group, versions, kind, plural, namespaced: kinds whose names are the same on every cluster, so
/// that applying them costs no discovery. All else is discovered.
const KNOWN: &[(&str, &[&str], &str, &str, bool)] = &[
    ("", &["v1"], "ConfigMap", "configmaps", true),
    ("", &["v1"], "Namespace", "namespaces", false),
    (
        "",
        &["v1"],
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        true,
    ),
    ("", &["v1"], "Pod", "pods", true),
    ("", &["v1"], "Secret", "secrets", true),
    ("", &["v1"], "Service", "services", true),
    ("", &["v1"], "ServiceAccount", "serviceaccounts", true),
    ("apps", &["v1"], "Deployment", "deployments", true),
    (
        "networking.istio.io",
        ISTIO_NETWORKING,
        "DestinationRule",
        "destinationrules",
        true,
    ),
    (
        "networking.istio.io",
        ISTIO_NETWORKING,
        "Gateway",
        "gateways",
        true,
    ),
    (
        "networking.istio.io",
        ISTIO_NETWORKING,
        "ServiceEntry",
        "serviceentries",
        true,
    ),
    (
        "networking.istio.io",
        ISTIO_NETWORKING,
        "Sidecar",
        "sidecars",
        true,
    ),
    (
        "networking.istio.io",
        ISTIO_NETWORKING,
        "VirtualService",
        "virtualservices",
        true,
    ),
    (
        "networking.istio.io",
        ISTIO_NETWORKING,
        "WorkloadEntry",
        "workloadentries",
        true,
    ),
    ("rbac.authorization.k8s.io", &["v1"], "Role", "roles", true),
    (
        "rbac.authorization.k8s.io",
        &["v1"],
        "RoleBinding",
        "rolebindings",
        true,
    ),
    (
        "security.istio.io",
        ISTIO_SECURITY,
        "AuthorizationPolicy",
        "authorizationpolicies",
        true,
    ),
    (
        "security.istio.io",
        ISTIO_SECURITY,
        "PeerAuthentication",
        "peerauthentications",
        true,
    ),
];

const ISTIO_NETWORKING: &[&str] = &["v1", "v1beta1", "v1alpha3"];
const ISTIO_SECURITY: &[&str] = &["v1", "v1beta1"];

/// Whether the mesh reports on objects of this group by a condition.
pub(crate) fn is_istio(group: &str) -> bool {
    matches!(
        group,
        "networking.istio.io" | "security.istio.io" | "telemetry.istio.io"
    )
}

/// Kinds that a run may leave behind, what stands in namespaces first: namespaces take the rest with them.
pub(crate) fn swept() -> impl Iterator<Item = ApiResource> {
    let of = |namespaced: bool| {
        let kinds = KNOWN.iter().filter(move |kind| kind.4 == namespaced);
        kinds.filter_map(|(group, versions, kind, plural, _)| {
            let kind = GroupVersionKind::gvk(group, versions.first()?, kind);
            Some(ApiResource::from_gvk_with_plural(&kind, plural))
        })
    };
    of(true).chain(of(false))
}

pub(crate) fn known(gvk: &GroupVersionKind) -> Option<Kind> {
    KNOWN
        .iter()
        .find(|(group, versions, kind, ..)| {
            *group == gvk.group && *kind == gvk.kind && versions.contains(&gvk.version.as_str())
        })
        .map(|(_, _, _, plural, namespaced)| Kind {
            resource: ApiResource::from_gvk_with_plural(gvk, plural),
            namespaced: *namespaced,
        })
}

impl ClusterAccess {
    /// The resource behind a manifest: from the table, else from the cluster's discovery.
    pub(crate) async fn kind_of(&self, manifest: &Manifest) -> Result<Kind> {
        if let Some(kind) = known(&manifest.gvk) {
            return Ok(kind);
        }
        match oneshot::pinned_kind(&self.client, &manifest.gvk).await {
            Ok((resource, capabilities)) => Ok(Kind {
                resource,
                namespaced: capabilities.scope == Scope::Namespaced,
            }),
            Err(kube::Error::Discovery(_)) => Err(self.unknown_kind(manifest)),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(self.unknown_kind(manifest)),
            Err(error) => {
                Err(self.api_error(format!("discover kind {}", manifest.gvk.kind), error))
            }
        }
    }

    fn unknown_kind(&self, manifest: &Manifest) -> Error {
        Error::UnknownKind {
            origin: manifest.origin.to_string(),
            cluster: self.side.to_string(),
            kind: manifest.gvk.kind.clone(),
            api_version: manifest.gvk.api_version(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_every_served_version_of_a_gateway_and_no_other() {
        for version in ["v1", "v1beta1", "v1alpha3"] {
            let gvk = GroupVersionKind::gvk("networking.istio.io", version, "Gateway");
            assert_eq!(known(&gvk).unwrap().resource.plural, "gateways");
        }
        assert!(
            known(&GroupVersionKind::gvk(
                "networking.istio.io",
                "v2",
                "Gateway"
            ))
            .is_none()
        );
        assert!(
            known(&GroupVersionKind::gvk(
                "gateway.networking.k8s.io",
                "v1",
                "Gateway"
            ))
            .is_none()
        );
    }
}
