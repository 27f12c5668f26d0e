//! The address plan of the two embedded clusters.
//!
//! Every cluster has its own pod and Service ranges, as two clusters in two VPCs would; the
//! load-balancer range is the documentation block 203.0.113.0/24 (RFC 5737), shared by both and
//! split in two so that no address can belong to either.

use std::net::Ipv4Addr;

/// Which of the two clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClusterName {
    /// Holds the MySQL clients and the egress gateway.
    Client,
    /// Holds MySQL and the ingress gateway.
    Server,
}

impl ClusterName {
    /// Both, in the order of the path.
    pub const ALL: [Self; 2] = [Self::Client, Self::Server];

    /// The name used in contexts, scenario files and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    const fn index(self) -> u8 {
        match self {
            Self::Client => 0,
            Self::Server => 1,
        }
    }
}

impl std::fmt::Display for ClusterName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Hands out the addresses of one cluster. An address is never given out twice: a connection that
/// outlives its pod must not find another pod in its place.
#[derive(Debug)]
pub struct AddressPlan {
    cluster: ClusterName,
    next_pod: u16,
    next_service: u16,
    next_load_balancer: u8,
}

impl AddressPlan {
    /// A fresh plan.
    pub fn new(cluster: ClusterName) -> Self {
        Self {
            cluster,
            next_pod: 4,
            next_service: 30,
            next_load_balancer: 10,
        }
    }

    /// The router's address on the pods' side; it is also the node's address, and what pods see as
    /// the source of traffic that was masqueraded into the cluster.
    pub fn router(cluster: ClusterName) -> Ipv4Addr {
        Ipv4Addr::new(10, 1 + cluster.index(), 0, 1)
    }

    /// The range of the pods, as address and prefix length.
    pub fn pod_range(cluster: ClusterName) -> (Ipv4Addr, u8) {
        (Ipv4Addr::new(10, 1 + cluster.index(), 0, 0), 16)
    }

    /// The range of the Services' virtual addresses.
    pub fn service_range(cluster: ClusterName) -> (Ipv4Addr, u8) {
        (Ipv4Addr::new(10, 96, cluster.index(), 0), 24)
    }

    /// The cluster's name server, the address that `kube-dns` has by convention.
    pub fn dns(cluster: ClusterName) -> Ipv4Addr {
        Ipv4Addr::new(10, 96, cluster.index(), 10)
    }

    /// The next pod address, or `None` when the range is used up.
    pub fn pod(&mut self) -> Option<Ipv4Addr> {
        let n = self.next_pod;
        self.next_pod = n.checked_add(1)?;
        let [hi, lo] = n.to_be_bytes();
        Some(Ipv4Addr::new(10, 1 + self.cluster.index(), hi, lo))
    }

    /// The next Service address, or `None` when the range is used up.
    pub fn service(&mut self) -> Option<Ipv4Addr> {
        let n = u8::try_from(self.next_service).ok()?;
        self.next_service += 1;
        Some(Ipv4Addr::new(10, 96, self.cluster.index(), n))
    }

    /// The next load-balancer address. The server cluster's first is 203.0.113.10.
    pub fn load_balancer(&mut self) -> Option<Ipv4Addr> {
        let n = self.next_load_balancer;
        if n >= 120 {
            return None;
        }
        self.next_load_balancer += 1;
        Some(Ipv4Addr::new(
            203,
            0,
            113,
            n + 120 * (1 - self.cluster.index()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_first_load_balancer_address_is_the_tutorials() {
        let mut server = AddressPlan::new(ClusterName::Server);
        assert_eq!(server.load_balancer(), Some(Ipv4Addr::new(203, 0, 113, 10)));
        let mut client = AddressPlan::new(ClusterName::Client);
        assert_eq!(
            client.load_balancer(),
            Some(Ipv4Addr::new(203, 0, 113, 130))
        );
    }

    #[test]
    fn addresses_are_never_given_twice_and_run_out_cleanly() {
        let mut plan = AddressPlan::new(ClusterName::Client);
        let mut seen = std::collections::HashSet::new();
        while let Some(ip) = plan.pod() {
            assert!(seen.insert(ip));
        }
        while let Some(ip) = plan.service() {
            assert!(seen.insert(ip));
        }
        while let Some(ip) = plan.load_balancer() {
            assert!(seen.insert(ip));
        }
        assert!(!seen.contains(&AddressPlan::router(ClusterName::Client)));
        assert!(!seen.contains(&AddressPlan::dns(ClusterName::Client)));
    }
}
