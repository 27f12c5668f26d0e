//! Capture files of the first kind (libpcap's).

use super::file::{Capture, CaptureError, CapturedPacket, Numbers};
use super::link::Link;

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Lengths of the file's header and of each packet's.
const HEADER: usize = 24;
const PACKET_HEADER: usize = 16;

/// The order of bytes and the fraction of seconds that a file's first bytes tell; `None` for other files.
pub(super) fn recognised(bytes: &[u8]) -> Option<(Numbers, u64)> {
    for numbers in [Numbers::Little, Numbers::Big] {
        match numbers.long(bytes, 0)? {
            MICROSECONDS => return Some((numbers, 1_000)),
            NANOSECONDS => return Some((numbers, 1)),
            _ => {}
        }
    }
    None
}

pub(super) fn read(bytes: &[u8], numbers: Numbers, unit: u64) -> Result<Capture, CaptureError> {
    let link = numbers.long(bytes, 20).ok_or(CaptureError::Short(0))?;
    // The upper half says how long checksums are.
    let [low, ..] = [(link & 0xffff) as u16];
    let link = Link::of(low)?;
    let mut packets = Vec::new();
    let mut at = HEADER;
    while at < bytes.len() {
        let field = |number: usize| numbers.long(bytes, at + 4 * number);
        let (Some(seconds), Some(fraction), Some(captured), Some(length)) =
            (field(0), field(1), field(2), field(3))
        else {
            return Err(CaptureError::Short(at));
        };
        let begin = at + PACKET_HEADER;
        let data = usize::try_from(captured)
            .ok()
            .and_then(|captured| bytes.get(begin..begin.checked_add(captured)?))
            .ok_or(CaptureError::Short(at))?;
        packets.push(CapturedPacket {
            link,
            at: u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * unit,
            length: length as usize,
            data: data.to_vec(),
        });
        at = begin + data.len();
    }
    Ok(Capture {
        packets,
        dropped: 0,
    })
}
