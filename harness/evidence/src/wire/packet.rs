//! One captured packet: a TCP segment, word that a connection is not possible, or something else.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    EtherType, Icmpv4Type, IpNumber, LaxNetSlice, LaxSlicedPacket, TransportSlice,
    icmpv4::DestUnreachableHeader,
};

use super::link::Link;

/// A packet as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What its bytes begin with.
    pub link: Link,
    /// When it was captured, in nanoseconds from some beginning.
    pub at: u64,
    /// How long it was on the link; more than `data` where only its first bytes were captured.
    pub length: usize,
    /// Its bytes.
    pub data: &'a [u8],
}

/// What is in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    Segment(Segment<'a>),
    /// Somebody says that the connection from the first to the second is not possible.
    Unreachable(SocketAddr, SocketAddr),
    Other,
}

/// A TCP segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sequence: u32,
    pub(super) acknowledged: Option<u32>,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    pub(super) payload: &'a [u8],
    /// Bytes of payload that were not captured.
    pub(super) cut: usize,
}

impl<'a> Packet<'a> {
    pub(super) fn is_cut(&self) -> bool {
        self.length > self.data.len()
    }

    pub(super) fn content(&self) -> Content<'a> {
        let Some(packet) = self.slice() else {
            return Content::Other;
        };
        let Some((from, to)) = packet.net.as_ref().and_then(addresses) else {
            return Content::Other;
        };
        match &packet.transport {
            Some(TransportSlice::Tcp(tcp)) => {
                let payload = tcp.payload();
                Content::Segment(Segment {
                    from: SocketAddr::new(from, tcp.source_port()),
                    to: SocketAddr::new(to, tcp.destination_port()),
                    sequence: tcp.sequence_number(),
                    acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
                    syn: tcp.syn(),
                    fin: tcp.fin(),
                    rst: tcp.rst(),
                    payload,
                    cut: self.length.saturating_sub(self.data.len()),
                })
            }
            Some(TransportSlice::Icmpv4(icmp)) => match icmp.icmp_type() {
                // What is to be cut smaller is no refusal.
                Icmpv4Type::DestinationUnreachable(
                    DestUnreachableHeader::FragmentationNeeded { .. },
                ) => Content::Other,
                Icmpv4Type::DestinationUnreachable(_) => quoted(icmp.payload()),
                _ => Content::Other,
            },
            _ => Content::Other,
        }
    }

    fn slice(&self) -> Option<LaxSlicedPacket<'a>> {
        let cooked = |kind: usize, header: usize| {
            let kind = self.data.get(kind..kind + 2)?;
            let kind = EtherType(u16::from_be_bytes([kind[0], kind[1]]));
            Some(LaxSlicedPacket::from_ether_type(
                kind,
                self.data.get(header..)?,
            ))
        };
        match self.link {
            Link::Ethernet => LaxSlicedPacket::from_ethernet(self.data).ok(),
            Link::Ip => LaxSlicedPacket::from_ip(self.data).ok(),
            Link::Cooked => cooked(14, 16),
            Link::CookedTwo => cooked(0, 20),
        }
    }
}

fn addresses(net: &LaxNetSlice<'_>) -> Option<(IpAddr, IpAddr)> {
    match net {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            let (from, to) = (header.source_addr(), header.destination_addr());
            Some((from.into(), to.into()))
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            let (from, to) = (header.source_addr(), header.destination_addr());
            Some((from.into(), to.into()))
        }
        LaxNetSlice::Arp(_) => None,
    }
}

/// The first bytes of the packet that an ICMP message is about; its TCP header need not be whole.
fn quoted<'a>(bytes: &[u8]) -> Content<'a> {
    let Ok((ip, _)) = etherparse::LaxIpSlice::from_slice(bytes) else {
        return Content::Other;
    };
    let payload = ip.payload();
    let ports = payload.payload.get(..4);
    let (Some(ports), IpNumber::TCP) = (ports, payload.ip_number) else {
        return Content::Other;
    };
    let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
    let (from, to) = (ip.source_addr(), ip.destination_addr());
    Content::Unreachable(SocketAddr::new(from, port(0)), SocketAddr::new(to, port(2)))
}
