//! Who answers at an address, seen from a cluster.

use std::net::IpAddr;

use meshproof_mesh::Pod;

use crate::{cluster::Cluster, kube::Service};

/// Who has an address.
pub(crate) enum Owner<'a> {
    /// A pod of the cluster that asks.
    Pod(&'a Pod),
    /// A Service of the cluster that asks, by its address within it.
    Inside(&'a Service),
    /// A Service with an address that the world outside reaches, and the index of its cluster.
    Outside(usize, &'a Service),
    /// A pod or Service of another cluster, by an address that nobody routes between clusters.
    Unrouted(String),
    /// Nobody in these clusters.
    Nobody,
}

/// Who has `address`, seen from the cluster `from`.
pub(crate) fn owner(clusters: &[Cluster], from: usize, address: IpAddr) -> Owner<'_> {
    let own = &clusters[from];
    if let Some(pod) = own.pod_at(address) {
        return Owner::Pod(pod);
    }
    if let Some(service) = by(own, |s| s.cluster_ips.contains(&address)) {
        return Owner::Inside(service);
    }
    let outside = |cluster| by(cluster, |s: &Service| s.outside_ips.contains(&address));
    let found = clusters
        .iter()
        .enumerate()
        .find_map(|(index, cluster)| Some((index, outside(cluster)?)));
    if let Some((index, service)) = found {
        return Owner::Outside(index, service);
    }
    let unrouted = clusters.iter().find_map(|cluster| {
        let pod = cluster.pod_at(address).map(|p| cluster.place(p));
        pod.or_else(|| {
            let service = by(cluster, |s| s.cluster_ips.contains(&address))?;
            Some(format!(
                "{}:{}/{}",
                cluster.name, service.namespace, service.name
            ))
        })
    });
    unrouted.map_or(Owner::Nobody, Owner::Unrouted)
}

fn by(cluster: &Cluster, has: impl Fn(&Service) -> bool) -> Option<&Service> {
    cluster.services.iter().find(|s| has(s))
}
