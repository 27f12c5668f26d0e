//! Which policies hold for which pods (`pilot/pkg/model/policyattachment.go`).

use crate::{
    api::{self, TargetRef, WorkloadSelector},
    objects::{Meta, pod::Pod},
};

/// The label of a pod that stands for a `Gateway` of the Kubernetes Gateway API.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// Whether a policy of the pod's namespace or of the mesh holds for the pod: by its selector, or by
/// naming the `Gateway` of the Kubernetes Gateway API that the pod is. A policy that names a target holds
/// for nothing else, and so for no sidecar and no gateway of Istio's own kind.
pub(crate) fn holds(
    targets: &[TargetRef],
    selector: Option<&WorkloadSelector>,
    meta: &Meta,
    pod: &Pod,
) -> bool {
    if targets.is_empty() {
        return selector.is_none_or(|s| api::selects(&s.match_labels, &pod.meta.labels));
    }
    let Some(gateway) = pod.meta.labels.get(GATEWAY_NAME) else {
        return false;
    };
    let namespace = &pod.meta.namespace;
    targets.iter().any(|t| {
        meta.namespace == *namespace
            && (t.namespace.is_empty() || t.namespace == *namespace)
            && t.group == "gateway.networking.k8s.io"
            && t.kind == "Gateway"
            && t.name == *gateway
    })
}
