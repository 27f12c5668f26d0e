//! One direction of a connection: segments in any order, put together by their numbers.

use super::packet::Segment;

/// What is kept of one direction: bytes, and segments that carry any. What goes beyond is counted, and
/// canaries are looked for in each packet of it, but it is not put together.
const MOST_BYTES: u64 = 32 * 1024 * 1024;
const MOST_SEGMENTS: usize = 256 * 1024;

/// Segments as they were captured.
#[derive(Debug, Default)]
pub(super) struct Direction<'a> {
    parts: Vec<Part<'a>>,
    kept: u64,
    /// The number that was seen last, and the place that it stands for. Numbers wrap around, places do not.
    seen: Option<(u32, i64)>,
    /// Places of the first byte, of the end, and of what the other end says to have.
    start: Option<i64>,
    end: Option<i64>,
    acknowledged: Option<i64>,
    /// Past the last byte that was sent, captured or not.
    reach: Option<i64>,
    pub(super) packets: u64,
    pub(super) truncated: bool,
    /// When this end said FIN or RST, in the capture's time.
    pub(super) fin: Option<u64>,
    pub(super) rst: Option<u64>,
}

#[derive(Debug)]
struct Part<'a> {
    place: i64,
    bytes: &'a [u8],
}

impl<'a> Direction<'a> {
    /// Adds what this end sent.
    pub(super) fn sent(&mut self, segment: &Segment<'a>, at: u64) {
        self.packets += 1;
        if segment.rst {
            // What a reset carries is words about itself, and its number may be anything.
            self.rst.get_or_insert(at);
            return;
        }
        let mut place = self.place(segment.sequence);
        if segment.syn {
            place += 1;
            self.start = Some(place);
        }
        let length = segment.payload.len() + segment.cut;
        let end = place.saturating_add(i64::try_from(length).unwrap_or(i64::MAX));
        self.reach = self.reach.max(Some(end));
        if segment.fin {
            self.end = Some(end);
            self.fin.get_or_insert(at);
        }
        if !segment.payload.is_empty() {
            self.keep(place, segment.payload);
        }
    }

    fn keep(&mut self, place: i64, bytes: &'a [u8]) {
        let kept = self.kept + bytes.len() as u64;
        // Once something is left out, what follows would stand behind a gap that is none.
        if self.truncated || kept > MOST_BYTES || self.parts.len() >= MOST_SEGMENTS {
            self.truncated = true;
            return;
        }
        self.kept = kept;
        self.parts.push(Part { place, bytes });
    }

    /// The other end says to have everything before this number.
    pub(super) fn acknowledged(&mut self, number: u32) {
        let place = self.place(number);
        self.acknowledged = self.acknowledged.max(Some(place));
    }

    /// How far the earliest byte that was captured lies behind `number`, the one after a SYN.
    pub(super) fn distance(&self, number: u32) -> Option<i64> {
        let (seen, place) = self.seen?;
        let first = self.parts.iter().map(|part| part.place).min();
        let offset = i64::from(number.wrapping_sub(seen).cast_signed());
        Some(first.unwrap_or(place) - (place + offset))
    }

    fn place(&mut self, number: u32) -> i64 {
        let place = match self.seen {
            None => 0,
            Some((seen, place)) => place + i64::from(number.wrapping_sub(seen).cast_signed()),
        };
        self.seen = Some((number, place));
        place
    }

    /// Puts the bytes in their order.
    pub(super) fn assemble(mut self) -> Stream<'a> {
        self.parts.sort_by_key(|part| part.place);
        let first = self.parts.first().map(|part| part.place);
        let mut stream = Stream {
            begins: self.start.is_some(),
            truncated: self.truncated,
            ..Stream::default()
        };
        let Some(start) = self.start.or(first) else {
            return stream;
        };
        for part in &self.parts {
            stream.add(part.place - start, part.bytes);
        }
        // A FIN has a number of its own, which the other end acknowledges too.
        let end = self.end.or(self.reach.max(self.acknowledged));
        if !self.truncated
            && let Some(end) = end
            && let Ok(end) = u64::try_from(end - start)
        {
            stream.missing += end.saturating_sub(stream.next);
        }
        stream
    }
}

/// The bytes of one direction in order, as far as they were captured.
#[derive(Debug, Default)]
pub(super) struct Stream<'a> {
    /// Stretches, in order, each with the number of its first byte.
    pub(super) pieces: Vec<(u64, &'a [u8])>,
    /// Whether byte 0 is the first that was sent.
    pub(super) begins: bool,
    pub(super) bytes: u64,
    pub(super) repeated: u64,
    pub(super) contradicting: u64,
    pub(super) missing: u64,
    pub(super) truncated: bool,
    next: u64,
}

impl<'a> Stream<'a> {
    fn add(&mut self, place: i64, bytes: &'a [u8]) {
        // Before the first byte there is only what keeps a connection alive.
        let before = usize::try_from(place.min(0).unsigned_abs()).unwrap_or(usize::MAX);
        self.repeated += before.min(bytes.len()) as u64;
        let bytes = bytes.get(before..).unwrap_or_default();
        let at = u64::try_from(place).unwrap_or(0);
        let known = usize::try_from(self.next.saturating_sub(at))
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let (old, new) = bytes.split_at(known);
        self.compare(at, old);
        if new.is_empty() {
            return;
        }
        let at = at + known as u64;
        self.missing += at - self.next;
        self.bytes += new.len() as u64;
        self.next = at + new.len() as u64;
        self.pieces.push((at, new));
    }

    /// Bytes that came again, all of them behind the last gap: parts come in the order of their places.
    fn compare(&mut self, mut at: u64, mut old: &[u8]) {
        let before = |piece: &(u64, &[u8])| piece.0 + piece.1.len() as u64 <= at;
        let mut pieces = self.pieces[self.pieces.partition_point(before)..].iter();
        while let (false, Some((begin, piece))) = (old.is_empty(), pieces.next()) {
            let inside = usize::try_from(at - begin).unwrap_or(usize::MAX);
            let piece = piece.get(inside..).unwrap_or_default();
            let both = piece.len().min(old.len());
            let differing = piece.iter().zip(old).filter(|(a, b)| a != b).count();
            self.repeated += both as u64;
            self.contradicting += differing as u64;
            old = &old[both..];
            at += both as u64;
        }
    }

    /// The first bytes, at most `length`, without a gap.
    pub(super) fn beginning(&self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (at, piece) in &self.pieces {
            if *at != bytes.len() as u64 || bytes.len() >= length {
                break;
            }
            bytes.extend_from_slice(&piece[..piece.len().min(length - bytes.len())]);
        }
        bytes
    }
}
