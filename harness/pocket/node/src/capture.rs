//! Captures what passes an interface of the caller's own network namespace.
//!
//! The kernel writes packets into a ring of shared memory: the room that sockets get otherwise holds six
//! packets of 64 KB on most systems, and only the machine's own administrator may ask for more.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::sys::{self, Ring};

/// The ring: 32 MB in blocks that hold whatever an interface may hand over at once.
const BLOCK: u32 = 1024 * 1024;
const BLOCKS: u32 = 32;
/// After so many milliseconds a block is handed over that is not full.
const RETIRE_MS: u32 = 1;
/// For how long the kernel may keep a packet that it has counted, on a machine that is busy.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(5);

/// Sees every packet of one interface, both ways, from its link header on.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    ring: Ring,
    /// The block that comes next.
    next: usize,
    taken: u64,
    counts: Counts,
}

/// A packet in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapturedPacket<'a> {
    /// When it passed, since 1970.
    pub at: Duration,
    /// Bytes that it had on the interface.
    pub length: usize,
    /// Its bytes: all of them, unless it is longer than a block of the ring.
    pub data: &'a [u8],
}

/// What the kernel counted since the socket was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that passed.
    pub seen: u64,
    /// Of these, packets for which there was no room.
    pub dropped: u64,
}

impl PacketSocket {
    /// Captures from now on.
    ///
    /// # Errors
    /// There is no such interface, or the caller may not capture.
    pub fn open(interface: &str) -> io::Result<Self> {
        let index = nix::net::if_::if_nametoindex(interface)?;
        let (fd, ring) = sys::packet_ring(index, BLOCK, BLOCKS, RETIRE_MS)?;
        Ok(Self {
            fd,
            ring,
            next: 0,
            taken: 0,
            counts: Counts::default(),
        })
    }

    /// Hands over the packets of one block, if there is one; false if there is none.
    ///
    /// # Errors
    /// The ring is not as it must be.
    pub fn take(&mut self, mut each: impl FnMut(CapturedPacket<'_>)) -> io::Result<bool> {
        let Some(block) = self.ring.block(self.next) else {
            return Ok(false);
        };
        self.taken += block::packets(block, &mut each).ok_or_else(malformed)?;
        self.ring.release(self.next);
        self.next = (self.next + 1) % self.ring.blocks();
        Ok(true)
    }

    /// Hands over everything that passed before now, and says what was counted.
    ///
    /// # Errors
    /// The kernel keeps packets that it has counted.
    pub fn drain(&mut self, mut each: impl FnMut(CapturedPacket<'_>)) -> io::Result<Counts> {
        let before = self.counts()?;
        let due = before.seen - before.dropped;
        let deadline = Instant::now() + HANDED_OVER_WITHIN;
        while self.taken < due {
            if self.take(&mut each)? {
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (taken, within) = (self.taken, HANDED_OVER_WITHIN.as_secs());
                return Err(io::Error::other(format!(
                    "the kernel counted {due} packets and handed over {taken} within {within} s"
                )));
            }
            let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)], left) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.counts()
    }

    fn counts(&mut self) -> io::Result<Counts> {
        let (seen, dropped) = sys::packet_statistics(self.fd.as_fd())?;
        self.counts.seen += u64::from(seen);
        self.counts.dropped += u64::from(dropped);
        Ok(self.counts)
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn malformed() -> io::Error {
    io::Error::other("a block of the capture ring has packets beyond its end")
}

/// The layout of a block (`linux/if_packet.h`, `TPACKET_V3`): where things are, and nothing unsafe.
mod block {
    use std::mem::offset_of;
    use std::time::Duration;

    use libc::{tpacket_block_desc, tpacket_hdr_v1, tpacket3_hdr};

    use super::CapturedPacket;

    /// Tells each packet; how many there are, or `None` where they do not fit the block.
    pub(super) fn packets(block: &[u8], each: &mut impl FnMut(CapturedPacket<'_>)) -> Option<u64> {
        let header = offset_of!(tpacket_block_desc, hdr);
        let count = long(block, header + offset_of!(tpacket_hdr_v1, num_pkts))?;
        let first = offset_of!(tpacket_hdr_v1, offset_to_first_pkt);
        let mut at = long(block, header + first)? as usize;
        for _ in 0..count {
            let rest = block.get(at..)?;
            let field = |offset| long(rest, offset).map(|value| value as usize);
            let begin = usize::from(short(rest, offset_of!(tpacket3_hdr, tp_mac))?);
            let captured = field(offset_of!(tpacket3_hdr, tp_snaplen))?;
            let seconds = long(rest, offset_of!(tpacket3_hdr, tp_sec))?;
            let nanoseconds = long(rest, offset_of!(tpacket3_hdr, tp_nsec))?;
            each(CapturedPacket {
                at: Duration::new(seconds.into(), nanoseconds),
                length: field(offset_of!(tpacket3_hdr, tp_len))?,
                data: rest.get(begin..begin.checked_add(captured)?)?,
            });
            at = at.checked_add(field(offset_of!(tpacket3_hdr, tp_next_offset))?)?;
        }
        Some(count.into())
    }

    fn long(bytes: &[u8], at: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
    }

    fn short(bytes: &[u8], at: usize) -> Option<u16> {
        Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn no_block_panics(block in any::<Vec<u8>>(), count in 0..4u32) {
                let mut block = block;
                if let Some(place) = block.get_mut(12..16) {
                    place.copy_from_slice(&count.to_ne_bytes());
                }
                packets(&block, &mut |packet| assert!(packet.data.len() < 1 << 20));
            }
        }
    }
}
