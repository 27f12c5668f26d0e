//! Routers, links and sandboxes.

use std::fs;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use super::namespaces::Namespaces;
use super::netlink::{Batch, Interface, Mac, Netlink};
use crate::error::{Failure, Step};
use crate::spec::{Cidr, LinkSpec, RouterSpec, SandboxSpec};

/// `lo` in every network namespace.
const LOOPBACK: u32 = 1;
/// `eth0` of a pod.
const ETH0: u32 = 2;
/// The router as a pod's next hop. Link-local, and never seen in a packet.
const NEXT_HOP: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// A router's or pod's network.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) namespaces: Namespaces,
    netlink: Netlink,
}

impl Network {
    fn new(home: &Namespaces, hostname: &str, sysctls: &[(&str, &str)]) -> Result<Self, Failure> {
        let (namespaces, netlink) = Namespaces::new(home, || {
            nix::unistd::sethostname(hostname)
                .step(|| format!("setting the host name {hostname:?}"))?;
            for (name, value) in COMMON.iter().chain(sysctls) {
                sysctl(name, value)?;
            }
            Netlink::route()
        })?;
        Ok(Self {
            namespaces,
            netlink,
        })
    }

    /// A router with its own addresses.
    pub(super) fn router(home: &Namespaces, spec: &RouterSpec) -> Result<Self, Failure> {
        let router = Self::new(home, &spec.hostname, &ROUTER)?;
        let mut batch = Batch::default();
        batch.up(LOOPBACK);
        for address in &spec.addresses {
            batch.address(LOOPBACK, *address);
        }
        router.netlink.send(&batch)?;
        Ok(router)
    }

    /// A pod on a router; `index` is the number of its interface there.
    pub(super) fn pod(
        home: &Namespaces,
        router: &Self,
        spec: &SandboxSpec,
        index: u32,
    ) -> Result<Self, Failure> {
        let pod = Self::new(home, &spec.hostname, &[])?;
        let (near, far) = (mac(1, spec.address), mac(0, spec.address));
        let name = format!("pod{index}");
        let mut batch = Batch::default();
        let ends = [
            Interface {
                index,
                name: &name,
                mac: near,
            },
            Interface {
                index: ETH0,
                name: "eth0",
                mac: far,
            },
        ];
        batch.veth(&ends[0], &ends[1], pod.namespaces.net.as_fd());
        batch.route(
            Cidr {
                address: spec.address,
                prefix: 32,
            },
            None,
            index,
        );
        batch.neighbour(index, spec.address, far);
        router.netlink.send(&batch)?;
        let mut batch = Batch::default();
        batch.up(LOOPBACK);
        batch.up(ETH0);
        batch.address(ETH0, spec.address);
        batch.neighbour(ETH0, NEXT_HOP, near);
        batch.route(Cidr::ANY, Some(NEXT_HOP), ETH0);
        pod.netlink.send(&batch)?;
        Ok(pod)
    }

    /// Deletes the interface of a pod, and with it the other end and the routes.
    pub(super) fn remove(&self, index: u32) -> Result<(), Failure> {
        let mut batch = Batch::default();
        batch.delete_link(index);
        self.netlink.send(&batch)
    }
}

/// Connects two routers; the interfaces get the numbers `index` and `index + 1`.
pub(super) fn link(spec: &LinkSpec, routers: [&Network; 2], index: u32) -> Result<(), Failure> {
    let [near, far] = &spec.ends;
    let macs = [mac(0, near.address), mac(0, far.address)];
    let mut batch = Batch::default();
    let ends = [
        Interface {
            index,
            name: &near.interface,
            mac: macs[0],
        },
        Interface {
            index: index + 1,
            name: &far.interface,
            mac: macs[1],
        },
    ];
    batch.veth(&ends[0], &ends[1], routers[1].namespaces.net.as_fd());
    routers[0].netlink.send(&batch)?;
    for (this, other) in [(0, 1), (1, 0)] {
        let (end, peer) = (&spec.ends[this], &spec.ends[other]);
        let index = ends[this].index;
        let mut batch = Batch::default();
        batch.up(index);
        batch.address(index, end.address);
        batch.neighbour(index, peer.address, macs[other]);
        for route in &end.routes {
            batch.route(*route, Some(peer.address), index);
        }
        routers[this].netlink.send(&batch)?;
    }
    Ok(())
}

/// Locally administered, and unique because addresses are.
fn mac(side: u8, address: Ipv4Addr) -> Mac {
    let [a, b, c, d] = address.octets();
    [2, side, a, b, c, d]
}

/// No IPv6: nothing waits for duplicate address detection, and nothing goes around the rules.
/// Redirects would break the silence of a router that drops.
const COMMON: [(&str, &str); 6] = [
    ("ipv6/conf/all/disable_ipv6", "1"),
    ("ipv6/conf/default/disable_ipv6", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
];

const ROUTER: [(&str, &str); 1] = [("ipv4/ip_forward", "1")];

fn sysctl(name: &str, value: &str) -> Result<(), Failure> {
    match fs::write(format!("/proc/sys/net/{name}"), value) {
        // A kernel without IPv6 has nothing to disable.
        Err(e) if e.kind() == ErrorKind::NotFound && name.starts_with("ipv6/") => Ok(()),
        other => other.step(|| format!("setting net/{name} to {value}")),
    }
}
