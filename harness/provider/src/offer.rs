//! What every provider yields, whether it made its clusters or was told of them.

use meshproof_cluster::kube::config::Kubeconfig;
use meshproof_cluster::{Facts, Side};

/// Two clusters, before anybody has spoken to them.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Where the SQL comes from.
    pub client: Offered,
    /// Where the database is.
    pub server: Offered,
}

/// One cluster: how to get in, and what its provider knows of it.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Where the context, its cluster and its user stand.
    pub kubeconfig: Kubeconfig,
    /// The name of the context.
    pub context: String,
    /// What the provider knows; what is discovered goes on top.
    pub facts: Facts,
}

impl Offer {
    /// The cluster of a side.
    pub fn get(&self, side: Side) -> &Offered {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }
}
