//! Captures as files.

use super::link::{Link, UnknownLink};
use super::packet::Packet;
use super::pcap;
use super::pcapng::{Block, Blocks};

/// Packets of a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// In their order.
    pub packets: Vec<CapturedPacket>,
    /// Packets that whoever captured says to have lost.
    pub dropped: u64,
}

/// A packet with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedPacket {
    /// What its bytes begin with.
    pub link: Link,
    /// When it was captured, in nanoseconds since 1970.
    pub at: u64,
    /// How long it was on the link.
    pub length: usize,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl CapturedPacket {
    /// To read it.
    pub fn packet(&self) -> Packet<'_> {
        Packet {
            link: self.link,
            at: self.at,
            length: self.length,
            data: &self.data,
        }
    }
}

/// A capture that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// Neither pcap nor pcapng.
    #[error("reading a capture: it begins neither as pcap nor as pcapng")]
    NotACapture,
    /// It ends within a packet or block.
    #[error("reading a capture: what begins at byte {0} is not whole")]
    Short(usize),
    /// A block that says impossible things of itself.
    #[error("reading a capture: the pcapng block at byte {at} {what}")]
    Block {
        /// Where it begins.
        at: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Of something unknown.
    #[error("reading a capture: {0}")]
    Link(#[from] UnknownLink),
}

impl Capture {
    /// Reads a file of either kind.
    pub fn read(bytes: &[u8]) -> Result<Self, CaptureError> {
        if let Some((numbers, unit)) = pcap::recognised(bytes) {
            return pcap::read(bytes, numbers, unit);
        }
        if !bytes.starts_with(&super::pcapng::SECTION.to_be_bytes()) {
            return Err(CaptureError::NotACapture);
        }
        let mut blocks = Blocks::default();
        blocks.push(bytes);
        let mut capture = Self::default();
        while let Some((block, _)) = blocks.next()? {
            match block {
                Block::Packet(packet) => capture.packets.push(packet),
                Block::Statistics { dropped, .. } => {
                    capture.dropped = capture.dropped.max(dropped);
                }
                Block::Other => {}
            }
        }
        blocks
            .is_empty()
            .then_some(capture)
            .ok_or(CaptureError::Short(blocks.position()))
    }

    /// To read them.
    pub fn iter(&self) -> impl Iterator<Item = Packet<'_>> {
        self.packets.iter().map(CapturedPacket::packet)
    }
}

/// The order of the bytes of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    Little,
    Big,
}

impl Numbers {
    pub(super) fn short(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        })
    }

    pub(super) fn long(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        })
    }

    pub(super) fn longer(self, bytes: &[u8], at: usize) -> Option<u64> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        })
    }
}
