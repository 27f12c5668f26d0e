//! The two clusters, and the scenario's word for each.

use meshproof_cluster::{ClusterAccess, Side};

use crate::nip_io::HostNames;
use crate::prober::Prober;

/// The two clusters of a run.
#[derive(Clone, Debug)]
pub struct Clusters {
    /// Where the SQL comes from.
    pub client: ClusterAccess,
    /// Where the database is.
    pub server: ClusterAccess,
    /// How pods and proxies learn the addresses of names of nip.io.
    pub host_names: HostNames,
    /// Where pods have the prober from.
    pub prober: Prober,
}

impl Clusters {
    /// The cluster of a side.
    pub fn get(&self, side: Side) -> &ClusterAccess {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// Whether there is a place to capture at on the link between them.
    pub(crate) fn can_capture(&self) -> bool {
        self.client.facts.router_pod.is_some()
    }

    /// Both, the client's first.
    pub fn both(&self) -> [&ClusterAccess; 2] {
        [&self.client, &self.server]
    }
}

pub(crate) fn to_scenario(side: Side) -> meshproof_scenario::Side {
    match side {
        Side::Client => meshproof_scenario::Side::Client,
        Side::Server => meshproof_scenario::Side::Server,
    }
}

pub(crate) fn from_scenario(side: meshproof_scenario::Side) -> Side {
    match side {
        meshproof_scenario::Side::Client => Side::Client,
        meshproof_scenario::Side::Server => Side::Server,
    }
}
