//! What a capture on the link between the clusters shows: packets put together into connections, TLS
//! records and handshakes, MySQL in clear, and texts that must not occur in any byte.
//!
//! A capture comes as a file ([`Capture::read`]) or block by block ([`Blocks`]); [`examine`] reads the
//! packets of it. Pure: bytes in, facts out. Nothing is guessed: what is encrypted, cut off or was never
//! captured is said to be so, and an absence counts only where nothing of that kind is in the way
//! ([`gaps`]).

mod canary;
mod connection;
mod connections;
mod file;
mod gaps;
mod link;
mod mysql;
mod packet;
mod pcap;
mod pcapng;
mod refusal;
mod speech;
mod stream;
mod tls;

use meshproof_record::{WireEvidence, WireSpeech};

pub use file::{Capture, CaptureError, CapturedPacket};
pub use gaps::gaps;
pub use link::{Link, UnknownLink};
pub use packet::Packet;
pub use pcapng::{Block, Blocks};
pub use refusal::refusal;

use canary::Canaries;
use connections::Connections;
use packet::Content;

/// Reads packets in the order in which they were captured, and looks for every canary in every byte.
/// Where it was captured and how much was lost is for the caller to add.
pub fn examine<'a>(
    packets: impl IntoIterator<Item = Packet<'a>>,
    canaries: &[String],
) -> WireEvidence {
    let mut evidence = WireEvidence::default();
    let mut search = Canaries::new(canaries);
    let mut connections = Connections::default();
    for packet in packets {
        evidence.packets += 1;
        evidence.cut += u64::from(packet.is_cut());
        let content = packet.content();
        evidence.other += u64::from(!matches!(content, Content::Segment(_)));
        let connection = connections.add(&content, packet.at);
        if connection.is_none() && matches!(content, Content::Segment(_)) {
            evidence.untracked += 1;
        }
        search.packet(packet.data, evidence.packets, connection);
    }
    for (index, connection) in connections.into_iter().enumerate() {
        let (told, streams) = connection.tell();
        for (side, stream) in streams {
            search.stream(&stream, index, side);
        }
        if told.from_server.speaks == WireSpeech::Tls
            && !evidence.tls_servers.contains(&told.server)
        {
            evidence.tls_servers.push(told.server);
        }
        evidence.connections.push(told);
    }
    evidence.canaries = search.found();
    evidence
}
