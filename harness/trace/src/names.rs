//! Names, as a pod of a cluster resolves them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use meshproof_mesh::Pod;

use crate::cluster::Cluster;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    Addresses(Vec<IpAddr>),
    /// The cluster's own domain has no such name.
    NoSuchName,
    /// A name of the world outside.
    Outside,
}

const DOMAIN: &str = "svc.cluster.local";

/// `nip.io` and its like answer with the address in the name.
const ADDRESS_IN_NAME: [&str; 2] = [".nip.io", ".sslip.io"];

/// Resolves a name in a pod: the hosts file, then what was given, then the cluster's DNS.
pub(crate) fn resolve(
    name: &str,
    pod: &Pod,
    cluster: &Cluster,
    given: &BTreeMap<String, Vec<IpAddr>>,
) -> Resolved {
    if let Ok(address) = name.parse() {
        return Resolved::Addresses(vec![address]);
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let aliases = cluster.aliases(pod, &name);
    if !aliases.is_empty() {
        return Resolved::Addresses(aliases);
    }
    if let Some(addresses) = given.get(&name) {
        return Resolved::Addresses(addresses.clone());
    }
    if let Some(address) = address_in(&name) {
        return Resolved::Addresses(vec![address.into()]);
    }
    in_cluster(&name, pod, cluster, given)
}

fn address_in(name: &str) -> Option<Ipv4Addr> {
    let rest = ADDRESS_IN_NAME.iter().find_map(|s| name.strip_suffix(s))?;
    let labels: Vec<&str> = rest.split('.').collect();
    let last = labels.get(labels.len().checked_sub(4)?..)?;
    last.join(".").parse().ok()
}

/// A Service's name, by the search list of a pod: its namespace, `svc`, the cluster's domain.
fn in_cluster(
    name: &str,
    pod: &Pod,
    cluster: &Cluster,
    given: &BTreeMap<String, Vec<IpAddr>>,
) -> Resolved {
    let is_whole = name.ends_with(DOMAIN);
    let bare = name
        .strip_suffix(&format!(".{DOMAIN}"))
        .or_else(|| name.strip_suffix(".svc"))
        .unwrap_or(name);
    let own = pod.id().namespace;
    let (service, namespace) = match bare.split('.').collect::<Vec<_>>().as_slice() {
        [service] if !is_whole => (*service, own.as_str()),
        [service, namespace] => (*service, *namespace),
        _ if is_whole => return Resolved::NoSuchName,
        _ => return Resolved::Outside,
    };
    let found = cluster
        .services
        .iter()
        .find(|s| s.name == service && s.namespace == namespace);
    let Some(found) = found else {
        return if is_whole || !bare.contains('.') {
            Resolved::NoSuchName
        } else {
            Resolved::Outside
        };
    };
    if let Some(other) = found.external_name.as_deref().filter(|o| *o != name) {
        return resolve(other, pod, cluster, given);
    }
    if !found.cluster_ips.is_empty() {
        return Resolved::Addresses(found.cluster_ips.clone());
    }
    let pods = found.pods(cluster);
    let addresses: Vec<IpAddr> = pods.filter_map(|p| p.address().parse().ok()).collect();
    if addresses.is_empty() {
        return Resolved::NoSuchName;
    }
    Resolved::Addresses(addresses)
}
