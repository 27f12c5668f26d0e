//! The few route-netlink messages that make interfaces, addresses, routes and neighbours (`rtnetlink(7)`).
//!
//! Messages are collected and sent in one system call; interface numbers are chosen by us, so that
//! nothing has to be read back in between.

// The C library's constants are wider than the fields they belong in; messages are short.
#![allow(clippy::cast_possible_truncation)]

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::netlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::error::{Failure, Step};
use crate::spec::Cidr;

const ACK: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
const NEW: u16 = ACK | (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
const HEADER: usize = 16;
/// `linux/veth.h`
const VETH_INFO_PEER: u16 = 1;
/// `linux/rtnetlink.h`
const RTNH_F_ONLINK: u32 = 4;
/// `linux/nfnetlink_conntrack.h`: subsystem 1, message 2.
const CONNTRACK_DELETE: u16 = 1 << 8 | 2;

pub(super) type Mac = [u8; 6];

/// One end of a veth.
pub(super) struct Interface<'a> {
    pub(super) index: u32,
    pub(super) name: &'a str,
    pub(super) mac: Mac,
}

/// A netlink socket of one network namespace.
#[derive(Debug)]
pub(super) struct Netlink(OwnedFd);

/// Messages to be sent together.
#[derive(Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    steps: Vec<String>,
}

impl Netlink {
    /// For interfaces and routes (protocol 0) of the network namespace that the caller is in.
    pub(super) fn route() -> Result<Self, Failure> {
        Self::open(None)
    }

    /// For connection tracking of the network namespace that the caller is in.
    pub(super) fn netfilter() -> Result<Self, Failure> {
        Self::open(Some(netlink::NETFILTER))
    }

    fn open(protocol: Option<rustix::net::Protocol>) -> Result<Self, Failure> {
        rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )
        .map(Self)
        .step(|| "opening a netlink socket".to_owned())
    }

    /// Sends all and reads all answers; the first failure is returned.
    pub(super) fn send(&self, batch: &Batch) -> Result<(), Failure> {
        rustix::net::send(&self.0, &batch.bytes, SendFlags::empty())
            .step(|| "sending to netlink".to_owned())?;
        let mut buffer = vec![0; 32 * 1024];
        let (mut open, mut failure) = (batch.steps.len(), None);
        while open > 0 {
            let (length, _) = rustix::net::recv(&self.0, &mut buffer[..], RecvFlags::empty())
                .step(|| "reading from netlink".to_owned())?;
            for (sequence, error) in acknowledgements(&buffer[..length]) {
                open -= 1;
                if let (true, Some(step)) = (error != 0, batch.steps.get(sequence as usize)) {
                    failure.get_or_insert_with(|| Failure::step(step, -error));
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

/// Sequence number and error of every `NLMSG_ERROR` in a datagram.
fn acknowledgements(mut bytes: &[u8]) -> Vec<(u32, i32)> {
    let word = |bytes: &[u8], at: usize| {
        bytes
            .get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .map(u32::from_ne_bytes)
    };
    let mut found = Vec::new();
    while let (Some(length), Some(kind), Some(sequence)) =
        (word(bytes, 0), word(bytes, 4), word(bytes, 8))
    {
        if kind & 0xffff == libc::NLMSG_ERROR as u32
            && let Some(error) = word(bytes, HEADER)
        {
            found.push((sequence, error.cast_signed()));
        }
        let next = (length as usize).max(HEADER).next_multiple_of(4);
        bytes = bytes.get(next..).unwrap_or_default();
    }
    found
}

impl Batch {
    /// A veth with the near end up and the far end, in another network namespace, still down: the kernel
    /// refuses to set an end up (`ENOTCONN`) before both know of each other.
    pub(super) fn veth(
        &mut self,
        near: &Interface<'_>,
        far: &Interface<'_>,
        far_netns: BorrowedFd<'_>,
    ) {
        let step = format!("making the veth {} - {}", near.name, far.name);
        self.message(libc::RTM_NEWLINK, NEW, step, |m| {
            interface_header(m, near.index, true);
            interface_attributes(m, near);
            nested(m, libc::IFLA_LINKINFO, |m| {
                attribute(m, libc::IFLA_INFO_KIND, b"veth");
                nested(m, libc::IFLA_INFO_DATA, |m| {
                    nested(m, VETH_INFO_PEER, |m| {
                        interface_header(m, far.index, false);
                        interface_attributes(m, far);
                        attribute(
                            m,
                            libc::IFLA_NET_NS_FD,
                            &far_netns.as_fd().as_raw_fd().to_ne_bytes(),
                        );
                    });
                });
            });
        });
    }

    pub(super) fn up(&mut self, index: u32) {
        self.message(
            libc::RTM_NEWLINK,
            ACK,
            format!("setting interface {index} up"),
            |m| interface_header(m, index, true),
        );
    }

    pub(super) fn delete_link(&mut self, index: u32) {
        self.message(
            libc::RTM_DELLINK,
            ACK,
            format!("deleting interface {index}"),
            |m| interface_header(m, index, false),
        );
    }

    /// A /32 address.
    pub(super) fn address(&mut self, index: u32, address: Ipv4Addr) {
        self.message(
            libc::RTM_NEWADDR,
            NEW,
            format!("adding {address} to interface {index}"),
            |m| {
                // struct ifaddrmsg: family, prefix length, flags, scope, index
                m.extend([libc::AF_INET as u8, 32, 0, libc::RT_SCOPE_UNIVERSE]);
                m.extend(index.to_ne_bytes());
                attribute(m, libc::IFA_LOCAL, &address.octets());
                attribute(m, libc::IFA_ADDRESS, &address.octets());
            },
        );
    }

    /// A route to a network, directly or through a gateway that needs no route of its own.
    pub(super) fn route(&mut self, to: Cidr, via: Option<Ipv4Addr>, index: u32) {
        self.message(
            libc::RTM_NEWROUTE,
            NEW,
            format!("adding a route to {to}"),
            |m| {
                let scope = if via.is_some() {
                    libc::RT_SCOPE_UNIVERSE
                } else {
                    libc::RT_SCOPE_LINK
                };
                // struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags
                m.extend([libc::AF_INET as u8, to.prefix, 0, 0, libc::RT_TABLE_MAIN]);
                m.extend([libc::RTPROT_STATIC, scope, libc::RTN_UNICAST]);
                m.extend(if via.is_some() { RTNH_F_ONLINK } else { 0 }.to_ne_bytes());
                if to.prefix > 0 {
                    attribute(m, libc::RTA_DST, &to.address.octets());
                }
                if let Some(gateway) = via {
                    attribute(m, libc::RTA_GATEWAY, &gateway.octets());
                }
                attribute(m, libc::RTA_OIF, &index.to_ne_bytes());
            },
        );
    }

    /// A neighbour that is known for good: no ARP, so no first packet waits for it.
    pub(super) fn neighbour(&mut self, index: u32, address: Ipv4Addr, mac: Mac) {
        self.message(
            libc::RTM_NEWNEIGH,
            NEW,
            format!("adding the neighbour {address}"),
            |m| {
                // struct ndmsg: family, padding, index, state, flags, type
                m.extend([libc::AF_INET as u8, 0, 0, 0]);
                m.extend(index.to_ne_bytes());
                m.extend(libc::NUD_PERMANENT.to_ne_bytes());
                m.extend([0, 0]);
                attribute(m, libc::NDA_DST, &address.octets());
                attribute(m, libc::NDA_LLADDR, &mac);
            },
        );
    }

    /// Deletes every tracked connection; for [`Netlink::netfilter`].
    pub(super) fn flush_conntrack(&mut self) {
        self.message(
            CONNTRACK_DELETE,
            ACK,
            "flushing connection tracking".to_owned(),
            |m| {
                // struct nfgenmsg: family (any), version, resource
                m.extend([0, 0, 0, 0]);
            },
        );
    }

    fn message(&mut self, kind: u16, flags: u16, step: String, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend(0u32.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend((self.steps.len() as u32).to_ne_bytes());
        self.bytes.extend(0u32.to_ne_bytes());
        body(&mut self.bytes);
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.steps.push(step);
    }
}

/// `struct ifinfomsg`: family, padding, type, index, flags, and which of the flags to change.
fn interface_header(m: &mut Vec<u8>, index: u32, up: bool) {
    m.extend([0, 0, 0, 0]);
    m.extend(index.to_ne_bytes());
    let flags = if up { libc::IFF_UP as u32 } else { 0 }.to_ne_bytes();
    m.extend(flags);
    m.extend(flags);
}

fn interface_attributes(m: &mut Vec<u8>, interface: &Interface<'_>) {
    attribute(
        m,
        libc::IFLA_IFNAME,
        &[interface.name.as_bytes(), &[0]].concat(),
    );
    attribute(m, libc::IFLA_ADDRESS, &interface.mac);
}

fn attribute(m: &mut Vec<u8>, kind: u16, value: &[u8]) {
    nested(m, kind, |m| m.extend(value));
}

/// Attributes begin at multiples of four bytes; the length does not count the padding after them.
fn nested(m: &mut Vec<u8>, kind: u16, body: impl FnOnce(&mut Vec<u8>)) {
    let start = m.len();
    m.extend([0, 0]);
    m.extend(kind.to_ne_bytes());
    body(m);
    let length = (m.len() - start) as u16;
    m[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    m.resize(m.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::{Batch, acknowledgements};

    #[test]
    fn an_address_is_laid_out_as_the_kernel_reads_it() {
        let mut batch = Batch::default();
        batch.address(2, [10, 1, 0, 2].into());
        let expected: Vec<u8> = [
            &40u32.to_ne_bytes()[..],
            &libc::RTM_NEWADDR.to_ne_bytes(),
            &0x605u16.to_ne_bytes(),
            &[0; 8],
            &[2, 32, 0, 0],
            &2u32.to_ne_bytes(),
            &[8, 0, 2, 0, 10, 1, 0, 2, 8, 0, 1, 0, 10, 1, 0, 2],
        ]
        .concat();
        assert_eq!(batch.bytes, expected);
    }

    #[test]
    fn errors_are_matched_to_their_message() {
        let mut bytes = Vec::new();
        for (sequence, error) in [(0u32, 0i32), (1, -17)] {
            bytes.extend(
                [
                    &36u32.to_ne_bytes()[..],
                    &2u16.to_ne_bytes(),
                    &[0, 0],
                    &sequence.to_ne_bytes(),
                ]
                .concat(),
            );
            bytes.extend([&0u32.to_ne_bytes()[..], &error.to_ne_bytes(), &[0; 16]].concat());
        }
        assert_eq!(acknowledgements(&bytes), [(0, 0), (1, -17)]);
        assert_eq!(acknowledgements(&bytes[..20]), [(0, 0)]);
    }
}
