//! Endpoints by host and namespace: services of one host in one namespace share theirs, whoever declares
//! them (`pilot/pkg/model/endpointshards.go`, `pilot/pkg/serviceregistry/serviceentry/controller.go`).

use std::collections::BTreeSet;

use super::{
    endpoints::Endpoint,
    service::{Port, Resolution, Service},
};
use crate::{MeshConfig, api::Labels};

/// The endpoints of a host in a namespace.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Pool {
    pub(crate) endpoints: Vec<Endpoint>,
    /// Identities that may stand behind the host, sorted.
    pub(crate) identities: Vec<String>,
}

impl Pool {
    /// The endpoints of a port as they are told: by the port's name.
    pub(crate) fn told<'a>(
        &'a self,
        port: &'a Port,
        labels: &'a Labels,
    ) -> impl Iterator<Item = &'a Endpoint> {
        self.endpoints
            .iter()
            .filter(move |e| e.port_name == port.name && crate::api::selects(labels, &e.labels))
    }

    /// The endpoints of a port as they are written into clusters: those of entries by its number.
    pub(crate) fn written<'a>(
        &'a self,
        port: &'a Port,
        labels: &'a Labels,
    ) -> impl Iterator<Item = &'a Endpoint> {
        let of_port = move |e: &&Endpoint| {
            e.service_port
                .map_or(e.port_name == port.name, |n| n == port.number)
        };
        self.endpoints
            .iter()
            .filter(of_port)
            .filter(move |e| crate::api::selects(labels, &e.labels))
    }
}

/// What one declaration brings to a pool.
pub(super) struct Share<'a> {
    pub(super) service: &'a Service,
    pub(super) endpoints: &'a [Endpoint],
}

impl Pool {
    /// The pool of all declarations of a host in a namespace, in their order.
    pub(super) fn of(shares: &[Share<'_>], mesh: &MeshConfig) -> Self {
        let mut pool = Self::default();
        let mut ports: BTreeSet<u32> = BTreeSet::new();
        for share in shares {
            // Of several entries that use one looked-up address, the first of each port counts.
            let one = share.service.resolution == Resolution::DnsRoundRobin;
            let taken = |e: &Endpoint| one && e.service_port.is_some_and(|p| ports.contains(&p));
            let fresh: Vec<Endpoint> = share
                .endpoints
                .iter()
                .filter(|e| !taken(e))
                .cloned()
                .collect();
            ports.extend(fresh.iter().filter_map(|e| e.service_port));
            pool.endpoints.extend(fresh);
            // What the last service says of names stands for all.
            pool.identities.clone_from(&share.service.subject_alt_names);
        }
        with_identities(pool, mesh)
    }
}

/// Adds the identities of the endpoints, and all of them in the mesh's other trust domains.
fn with_identities(mut pool: Pool, mesh: &MeshConfig) -> Pool {
    let mut all: BTreeSet<String> = std::mem::take(&mut pool.identities).into_iter().collect();
    all.extend(pool.endpoints.iter().filter_map(|e| e.spiffe_id.clone()));
    let aliases: Vec<String> = all
        .iter()
        .filter_map(|id| path_of(id))
        .flat_map(|path| {
            let domains = mesh.trust_domain_aliases().iter();
            domains.map(move |d| format!("spiffe://{d}/{path}"))
        })
        .collect();
    all.extend(aliases);
    pool.identities = all.into_iter().collect();
    pool
}

/// What follows the trust domain of a workload's identity; `None` for other names.
fn path_of(identity: &str) -> Option<&str> {
    let (_, path) = identity.strip_prefix("spiffe://")?.split_once('/')?;
    let parts: Vec<&str> = path.split('/').collect();
    matches!(parts.as_slice(), ["ns", _, "sa", _]).then_some(path)
}
