//! Recorded captures, and packets of one's own.

use std::path::{Path, PathBuf};

use etherparse::PacketBuilder;
use meshproof_evidence::wire::{Capture, CapturedPacket, Link, examine};
use meshproof_record::{WireConnection, WireEvidence};

/// What the sessions of the captures carried, and what nobody ever sent.
pub(crate) const CANARY: &str = "Crypto Canary";
pub(crate) const ABSENT: &str = "Crypto Parrot";

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wire")
}

pub(crate) fn capture(name: &str) -> Capture {
    let path = folder().join(format!("{name}.pcap"));
    Capture::read(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn canaries() -> Vec<String> {
    [CANARY, ABSENT].map(str::to_owned).to_vec()
}

pub(crate) fn examined(capture: &Capture) -> WireEvidence {
    examine(capture.iter(), &canaries())
}

/// The only connection of a recording.
pub(crate) fn connection(name: &str) -> WireConnection {
    let found = examined(&capture(name));
    let [connection] = <[WireConnection; 1]>::try_from(found.connections).unwrap();
    connection
}

pub(crate) const CLIENT: ([u8; 4], u16) = ([198, 18, 0, 1], 40_000);
pub(crate) const SERVER: ([u8; 4], u16) = ([203, 0, 113, 10], 13306);

/// One end's way of making segments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) from: ([u8; 4], u16),
    pub(crate) to: ([u8; 4], u16),
    pub(crate) number: u32,
}

pub(crate) const BY_CLIENT: Sender = Sender {
    from: CLIENT,
    to: SERVER,
    number: 0xffff_fff0,
};
pub(crate) const BY_SERVER: Sender = Sender {
    from: SERVER,
    to: CLIENT,
    number: 1_000,
};

impl Sender {
    fn segment(
        self,
        at: u32,
        set: impl FnOnce(&mut etherparse::TcpHeader),
        payload: &[u8],
    ) -> CapturedPacket {
        let mut tcp = etherparse::TcpHeader::new(
            self.from.1,
            self.to.1,
            self.number.wrapping_add(at),
            64_000,
        );
        set(&mut tcp);
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4(self.from.0, self.to.0, 64)
            .tcp_header(tcp);
        let mut data = Vec::new();
        builder.write(&mut data, payload).unwrap();
        CapturedPacket {
            link: Link::Ethernet,
            at: 0,
            length: data.len(),
            data,
        }
    }

    /// The first packet.
    pub(crate) fn syn(self) -> CapturedPacket {
        self.segment(0, |tcp| tcp.syn = true, &[])
    }

    /// The answer to it.
    pub(crate) fn syn_ack(self, other: Sender) -> CapturedPacket {
        let set = |tcp: &mut etherparse::TcpHeader| {
            tcp.syn = true;
            tcp.ack = true;
            tcp.acknowledgment_number = other.number.wrapping_add(1);
        };
        self.segment(0, set, &[])
    }

    /// Bytes from `at` on.
    pub(crate) fn data(self, at: usize, payload: &[u8]) -> CapturedPacket {
        let at = u32::try_from(at).unwrap() + 1;
        self.segment(at, |tcp| tcp.psh = true, payload)
    }

    /// The end behind so many bytes.
    pub(crate) fn fin(self, at: usize) -> CapturedPacket {
        let at = u32::try_from(at).unwrap() + 1;
        self.segment(at, |tcp| tcp.fin = true, &[])
    }

    /// Has so many bytes of the other.
    pub(crate) fn ack(self, other: Sender, bytes: usize) -> CapturedPacket {
        let bytes = u32::try_from(bytes).unwrap() + 1;
        let set = |tcp: &mut etherparse::TcpHeader| {
            tcp.ack = true;
            tcp.acknowledgment_number = other.number.wrapping_add(bytes);
        };
        self.segment(1, set, &[])
    }

    /// A reset.
    pub(crate) fn rst(self) -> CapturedPacket {
        self.segment(1, |tcp| tcp.rst = true, &[])
    }
}

/// Numbers the packets' times, a millisecond each, and reads them.
pub(crate) fn look(packets: Vec<CapturedPacket>) -> WireEvidence {
    let mut capture = Capture {
        packets,
        dropped: 0,
    };
    for (index, packet) in capture.packets.iter_mut().enumerate() {
        packet.at = index as u64 * 1_000_000;
    }
    examined(&capture)
}
