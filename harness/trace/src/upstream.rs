//! Clusters: which endpoints a connection may be sent to, and over what.

use std::{collections::BTreeMap, net::IpAddr};

use meshproof_mesh::{Pod, ProxyConfig};
use serde_json::Value;

use crate::{
    cluster::Cluster,
    names::{self, Resolved},
};

/// What a cluster makes of a connection.
pub(crate) enum Targets<'a> {
    /// There is no such cluster (NC).
    NoCluster,
    /// The cluster that never has an endpoint.
    BlackHole,
    /// Wherever the connection was going, on this port if one is said.
    OriginalDestination(Option<u16>, Transport<'a>),
    /// These endpoints; perhaps none.
    Endpoints(Vec<Endpoint<'a>>),
    /// The endpoint's name does not exist.
    NoSuchName(String),
    /// The endpoint's name is of the world outside.
    UnknownName(String),
}

/// An endpoint and the transport socket that is used with it.
pub(crate) struct Endpoint<'a> {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) transport: Transport<'a>,
}

/// What a connection is made over.
#[derive(Clone, Copy)]
pub(crate) enum Transport<'a> {
    Plaintext,
    /// TLS, by an `UpstreamTlsContext` or a `DownstreamTlsContext`.
    Tls(&'a Value),
    /// A transport socket that is not known here, by its name.
    Other(&'a str),
}

/// Who asks, and what it may look up.
pub(crate) struct Asker<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) cluster: &'a Cluster,
    pub(crate) config: &'a ProxyConfig,
    pub(crate) resolve: &'a BTreeMap<String, Vec<IpAddr>>,
}

/// The targets of a cluster by name.
pub(crate) fn targets<'a>(name: &str, asker: &Asker<'a>) -> Targets<'a> {
    if name == "BlackHoleCluster" {
        return Targets::BlackHole;
    }
    let Some(cluster) = asker.config.clusters.iter().find(|c| c["name"] == name) else {
        return Targets::NoCluster;
    };
    match cluster["type"].as_str() {
        Some("ORIGINAL_DST") => {
            let port = cluster["original_dst_lb_config"]["upstream_port_override"].as_u64();
            let port = port.and_then(|p| u16::try_from(p).ok());
            Targets::OriginalDestination(port, Transport::of(&cluster["transport_socket"]))
        }
        Some("EDS") => assigned(name, cluster, asker),
        _ => listed(cluster, &cluster["load_assignment"], asker),
    }
}

fn assigned<'a>(name: &str, cluster: &'a Value, asker: &Asker<'a>) -> Targets<'a> {
    let service = cluster["eds_cluster_config"]["service_name"].as_str();
    let wanted = service.unwrap_or(name);
    let found = asker
        .config
        .endpoints
        .iter()
        .find(|e| e["cluster_name"] == wanted);
    match found {
        Some(assignment) => listed(cluster, assignment, asker),
        None => Targets::Endpoints(Vec::new()),
    }
}

/// The endpoints of a `ClusterLoadAssignment`; names are looked up.
fn listed<'a>(cluster: &'a Value, assignment: &'a Value, asker: &Asker<'a>) -> Targets<'a> {
    let localities = assignment["endpoints"].as_array().into_iter().flatten();
    let hosts = localities.flat_map(|l| l["lb_endpoints"].as_array().into_iter().flatten());
    // Istio sets the panic threshold to nothing, so nothing goes to an endpoint that is not ready.
    let hosts = hosts.filter(|h| h["health_status"] != "UNHEALTHY");
    let mut found = Vec::new();
    for host in hosts {
        let socket = &host["endpoint"]["address"]["socket_address"];
        let (Some(name), Some(port)) = (socket["address"].as_str(), socket["port_value"].as_u64())
        else {
            continue;
        };
        let Ok(port) = u16::try_from(port) else {
            continue;
        };
        let addresses = match names::resolve(name, asker.pod, asker.cluster, asker.resolve) {
            Resolved::Addresses(addresses) => addresses,
            Resolved::NoSuchName => return Targets::NoSuchName(name.to_owned()),
            Resolved::Outside => return Targets::UnknownName(name.to_owned()),
        };
        let transport = transport(cluster, host);
        found.extend(addresses.into_iter().map(|address| Endpoint {
            address,
            port,
            transport,
        }));
    }
    Targets::Endpoints(found)
}

/// The transport socket for an endpoint: by what it says of itself, else the cluster's own.
fn transport<'a>(cluster: &'a Value, host: &Value) -> Transport<'a> {
    let said = &host["metadata"]["filter_metadata"]["envoy.transport_socket_match"];
    let fits = |m: &&Value| {
        let wanted = m["match"].as_object().into_iter().flatten();
        wanted.into_iter().all(|(key, value)| said[key] == *value)
    };
    let matches = cluster["transport_socket_matches"].as_array();
    let chosen = matches.into_iter().flatten().find(fits);
    Transport::of(chosen.map_or(&cluster["transport_socket"], |m| &m["transport_socket"]))
}

impl<'a> Transport<'a> {
    /// Of a transport socket, or of none.
    pub(crate) fn of(socket: &'a Value) -> Self {
        match socket["name"].as_str() {
            None | Some("envoy.transport_sockets.raw_buffer") => Self::Plaintext,
            Some("envoy.transport_sockets.tls") => Self::Tls(&socket["typed_config"]),
            Some(other) => Self::Other(other),
        }
    }
}
