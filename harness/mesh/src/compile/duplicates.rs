//! What is said twice to the accepting side: Istio hears the older and does not tell the younger's owner.

use std::sync::Arc;

use super::{
    conflict::Conflict,
    outlook::Outlook,
    scope::{OwnPort, own_ports},
};
use crate::{
    api::{self, peer_authentication::PeerAuthentication},
    objects::{
        Config, Meta,
        pod::{Pod, ProxyKind},
    },
};

/// Declarations for the proxy's own workload that give way to others.
pub(crate) fn conflicts(outlook: &Outlook<'_>, pod: &Pod) -> Vec<Conflict> {
    let mut found = telemetries(outlook);
    if outlook.kind == ProxyKind::Sidecar {
        found.extend(peer_authentications(outlook, pod));
        if outlook.ingress().is_empty() {
            found.extend(protocols(outlook, pod));
        }
    }
    found
}

/// The namespaces that speak to the workload: the mesh's and its own.
fn namespaces<'a>(outlook: &'a Outlook<'_>) -> Vec<&'a str> {
    let root = outlook.mesh().root_namespace();
    let own = outlook.namespace;
    if root == own {
        vec![root]
    } else {
        vec![root, own]
    }
}

/// Of each namespace, all that are for all of it but the first, and of those that select the pod all but
/// the first (`pilot/pkg/model/authentication.go`, `pilot/pkg/security/authn/policy_applier.go`).
fn peer_authentications(outlook: &Outlook<'_>, pod: &Pod) -> Vec<Conflict> {
    let all = &outlook.objects.peer_authentications;
    let kind = "PeerAuthentication";
    let mut found: Vec<Conflict> = namespaces(outlook)
        .into_iter()
        .flat_map(|namespace| {
            let wide = all
                .iter()
                .filter(|p| p.meta.namespace == namespace && p.spec.is_wide());
            younger(kind, &format!("namespace {namespace}"), wide)
        })
        .collect();
    let own = all
        .iter()
        .filter(|p| !p.spec.is_wide() && selects_pod(p, pod));
    if outlook.namespace != outlook.mesh().root_namespace() {
        found.extend(younger(kind, &workload(pod), own));
    }
    found
}

fn selects_pod(policy: &Config<PeerAuthentication>, pod: &Pod) -> bool {
    policy.meta.namespace == pod.meta.namespace
        && policy
            .spec
            .selector
            .as_ref()
            .is_some_and(|s| api::selects(&s.match_labels, &pod.meta.labels))
}

/// Of each namespace, all that are for all of it but the first (`pilot/pkg/model/telemetry.go`).
fn telemetries(outlook: &Outlook<'_>) -> Vec<Conflict> {
    namespaces(outlook)
        .into_iter()
        .flat_map(|namespace| {
            let wide = outlook
                .objects
                .telemetries
                .iter()
                .filter(|t| t.meta.namespace == namespace && t.spec.is_wide());
            younger("Telemetry", &format!("namespace {namespace}"), wide)
        })
        .collect()
}

fn workload(pod: &Pod) -> String {
    format!("pod {}/{}", pod.meta.namespace, pod.meta.name)
}

fn younger<'a, T: 'a>(
    kind: &str,
    place: &str,
    mut all: impl Iterator<Item = &'a Arc<Config<T>>>,
) -> Vec<Conflict> {
    let title = |meta: &Meta| format!("{kind} {}/{}", meta.namespace, meta.name);
    let Some(first) = all.next() else {
        return Vec::new();
    };
    all.map(|other| Conflict {
        place: place.to_owned(),
        winner: title(&first.meta),
        loser: title(&other.meta),
        reason: "only the oldest counts, then the first by name".into(),
    })
    .collect()
}

/// Services that take the pod's port for another protocol than the first service does
/// (`pilot/pkg/networking/core/listener_inbound.go`).
fn protocols(outlook: &Outlook<'_>, pod: &Pod) -> Vec<Conflict> {
    let mut first: Vec<OwnPort> = Vec::new();
    let mut found = Vec::new();
    for own in own_ports(outlook, pod) {
        let Some(known) = first.iter().find(|k| k.target == own.target) else {
            first.push(own);
            continue;
        };
        if known.port.protocol != own.port.protocol && known.service.host != own.service.host {
            found.push(Conflict {
                place: format!("port {} of {}", own.target, workload(pod)),
                winner: format!("service {}", known.service.host),
                loser: format!("service {}", own.service.host),
                reason: "the oldest service says the protocol, then the first by host".into(),
            });
        }
    }
    found
}
