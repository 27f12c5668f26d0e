//! Which workloads and ports speak mesh TLS (`pilot/pkg/security/authn/policy_applier.go`).

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Objects,
    api::{
        self, Labels,
        peer_authentication::{Mode, PeerAuthentication},
    },
    objects::Config,
};

/// What a workload accepts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Policy {
    /// Never [`Mode::Unset`].
    pub(crate) mode: Mode,
    /// Exceptions, by the number of the pod's port.
    pub(crate) ports: BTreeMap<u32, Mode>,
}

impl Policy {
    pub(crate) fn for_port(&self, port: u32) -> Mode {
        self.ports.get(&port).copied().unwrap_or(self.mode)
    }
}

/// The policy of a workload: its own over the namespace's over the mesh's. The oldest of each wins.
pub(crate) fn policy_of(objects: &Objects, namespace: &str, labels: &Labels) -> Policy {
    let mut policy = Policy {
        mode: wide_mode(objects, namespace).unwrap_or(Mode::Permissive),
        ports: BTreeMap::new(),
    };
    let root = objects.mesh().root_namespace();
    let own = objects.peer_authentications.iter().find(|p| {
        !p.spec.is_wide()
            && p.meta.namespace == namespace
            && namespace != root
            && p.spec
                .selector
                .as_ref()
                .is_some_and(|s| api::selects(&s.match_labels, labels))
    });
    let Some(own) = own else { return policy };
    if let Some(mode) = said(&own.spec) {
        policy.mode = mode;
    }
    for (port, mtls) in own.spec.port_level_mtls.iter().flatten() {
        let Ok(port) = port.parse() else { continue };
        let mode = if mtls.mode == Mode::Unset {
            policy.mode
        } else {
            mtls.mode
        };
        policy.ports.insert(port, mode);
    }
    policy
}

/// What namespace and mesh say without regard to workloads; `None` where they say nothing.
pub(crate) fn wide_mode(objects: &Objects, namespace: &str) -> Option<Mode> {
    let wide = |owner: &str| {
        let of_owner =
            |p: &&Arc<Config<PeerAuthentication>>| p.spec.is_wide() && p.meta.namespace == owner;
        objects
            .peer_authentications
            .iter()
            .find(of_owner)
            .and_then(|p| said(&p.spec))
    };
    wide(namespace).or_else(|| wide(objects.mesh().root_namespace()))
}

fn said(policy: &PeerAuthentication) -> Option<Mode> {
    policy.mtls.map(|m| m.mode).filter(|m| *m != Mode::Unset)
}
