//! Captures of the newer kind (pcapng), block by block as they arrive.

use super::file::{CaptureError, CapturedPacket, Numbers};
use super::link::Link;

/// Types of blocks.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
/// What tells the order of bytes.
const ORDER: u32 = 0x1a2b_3c4d;
/// Options.
const COMMENT: u16 = 1;
const TIME_UNIT: u16 = 9;
const KERNEL_DROPS: u16 = 5;
const OWN_DROPS: u16 = 7;
/// Type and length in front, length behind.
const FRAME: usize = 12;
/// A block longer than any packet of 64 KB makes it is no block.
const LONGEST: usize = 16 * 1024 * 1024;

/// A block that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A packet.
    Packet(CapturedPacket),
    /// What the capture counted so far.
    Statistics {
        /// Packets that were lost, in the kernel or after it.
        dropped: u64,
        /// What is said beside it.
        comment: Option<String>,
    },
    /// Something else.
    Other,
}

/// Takes bytes as they come and gives whole blocks.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    bytes: Vec<u8>,
    /// Where in `bytes` the next block begins, and bytes that are gone.
    begin: usize,
    gone: usize,
    numbers: Option<Numbers>,
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: Link,
    /// Ticks of its clock in a second.
    ticks: u64,
}

impl Blocks {
    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.begin > 0 {
            self.gone += self.begin;
            self.bytes.drain(..self.begin);
            self.begin = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether nothing is left of a block that is not whole.
    pub fn is_empty(&self) -> bool {
        self.begin == self.bytes.len()
    }

    pub(super) fn position(&self) -> usize {
        self.gone + self.begin
    }

    /// The next whole block and its own bytes.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<(Block, &[u8])>, CaptureError> {
        let at = self.position();
        let wrong = |what| CaptureError::Block { at, what };
        let rest = &self.bytes[self.begin..];
        // The type of a section is the same both ways around.
        let section = Numbers::Big.long(rest, 0) == Some(SECTION);
        let numbers = if section {
            match (Numbers::Little.long(rest, 8), Numbers::Big.long(rest, 8)) {
                (Some(ORDER), _) => Numbers::Little,
                (_, Some(ORDER)) => Numbers::Big,
                (None, _) => return Ok(None),
                _ => return Err(wrong("has no known order of bytes")),
            }
        } else {
            match self.numbers {
                Some(numbers) => numbers,
                None if rest.len() < 4 => return Ok(None),
                None => return Err(wrong("stands before any section")),
            }
        };
        let (Some(kind), Some(length)) = (numbers.long(rest, 0), numbers.long(rest, 4)) else {
            return Ok(None);
        };
        let length = length as usize;
        if length < FRAME || !length.is_multiple_of(4) || length > LONGEST {
            return Err(wrong("has an impossible length"));
        }
        let Some(whole) = rest.get(..length) else {
            return Ok(None);
        };
        if numbers.long(whole, length - 4) != Some(u32::try_from(length).unwrap_or(0)) {
            return Err(wrong("has two lengths"));
        }
        let body = &whole[8..length - 4];
        let block = match kind {
            SECTION => {
                self.numbers = Some(numbers);
                self.interfaces.clear();
                Some(Block::Other)
            }
            INTERFACE => interface(body, numbers)?.map(|interface| {
                self.interfaces.push(interface);
                Block::Other
            }),
            PACKET => packet(body, numbers, &self.interfaces),
            STATISTICS => statistics(body, numbers),
            _ => Some(Block::Other),
        };
        let block =
            block.ok_or_else(|| wrong("is too short for what it is, or of no interface"))?;
        let begin = self.begin;
        self.begin += length;
        Ok(Some((block, &self.bytes[begin..begin + length])))
    }
}

fn interface(body: &[u8], numbers: Numbers) -> Result<Option<Interface>, CaptureError> {
    let Some(link) = numbers.short(body, 0) else {
        return Ok(None);
    };
    let unit = options(body.get(8..).unwrap_or_default(), numbers)
        .find(|(code, _)| *code == TIME_UNIT)
        .and_then(|(_, value)| value.first().copied());
    Ok(Some(Interface {
        link: Link::of(link)?,
        ticks: ticks(unit.unwrap_or(6)),
    }))
}

/// A power of ten, or of two where the highest bit is set.
fn ticks(unit: u8) -> u64 {
    let power = u32::from(unit & 0x7f);
    let base: u64 = if unit & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(power).unwrap_or(u64::MAX)
}

fn packet(body: &[u8], numbers: Numbers, interfaces: &[Interface]) -> Option<Block> {
    let field = |number: usize| numbers.long(body, 4 * number);
    let interface = interfaces.get(field(0)? as usize)?;
    let time = (u64::from(field(1)?) << 32) | u64::from(field(2)?);
    let captured = field(3)? as usize;
    let nanoseconds = u128::from(time) * 1_000_000_000 / u128::from(interface.ticks);
    Some(Block::Packet(CapturedPacket {
        link: interface.link,
        at: u64::try_from(nanoseconds).unwrap_or(u64::MAX),
        length: field(4)? as usize,
        data: body.get(20..20usize.checked_add(captured)?)?.to_vec(),
    }))
}

fn statistics(body: &[u8], numbers: Numbers) -> Option<Block> {
    let mut dropped = 0u64;
    let mut comment = None;
    for (code, value) in options(body.get(12..)?, numbers) {
        match code {
            KERNEL_DROPS | OWN_DROPS => {
                dropped = dropped.saturating_add(numbers.longer(value, 0)?);
            }
            COMMENT => comment = Some(String::from_utf8_lossy(value).into_owned()),
            _ => {}
        }
    }
    Some(Block::Statistics { dropped, comment })
}

/// Code and value of each; each value is filled up to four bytes.
fn options(bytes: &[u8], numbers: Numbers) -> impl Iterator<Item = (u16, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (code, length) = (numbers.short(bytes, at)?, numbers.short(bytes, at + 2)?);
        let length = usize::from(length);
        let value = bytes.get(at + 4..at + 4 + length)?;
        at += 4 + length.next_multiple_of(4);
        (code != 0).then_some((code, value))
    })
}
