//! The records of one direction.

use super::super::stream::Stream;
use super::hello::{self, Message};

pub(super) const CHANGE_CIPHER: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
const HEARTBEAT: u8 = 24;
/// Of every version since SSL 3.0.
pub(super) const MAJOR: u8 = 3;
const HEADER: usize = 5;
/// A record's contents with everything that encryption may add.
const LONGEST: usize = 16 * 1024 + 2048;
/// Handshake messages longer than this are not read.
const LONGEST_MESSAGE: usize = 256 * 1024;
/// No handshake has so many messages, and nobody says so many things in clear; what comes after them is
/// not kept.
const MOST_MESSAGES: usize = 64;
const MOST_ALERTS: usize = 16;

/// What was read.
#[derive(Debug, Default)]
pub(in super::super) struct Records {
    /// Records that were there as a whole.
    pub(in super::super) whole: u64,
    /// Number of the first byte that is in no record, although a record must begin there.
    pub(in super::super) strays_at: Option<u64>,
    /// The handshake in clear.
    pub(super) messages: Vec<Message>,
    /// Level and number of alerts in clear.
    pub(super) alerts: Vec<(u8, u8)>,
    pub(super) hidden_alerts: u64,
    /// What comes now is encrypted.
    changed: bool,
    /// Part of a handshake message.
    handshake: Vec<u8>,
}

/// What of a record is there.
#[derive(Default)]
struct Open {
    header: Vec<u8>,
    body: Vec<u8>,
    left: usize,
}

impl Records {
    /// Reads a stream from the byte `from` on, up to the first gap.
    pub(in super::super) fn read(stream: &Stream<'_>, from: u64) -> Self {
        let mut records = Self::default();
        let mut open = Open::default();
        let mut next = from;
        for (at, piece) in &stream.pieces {
            let skipped = usize::try_from(next.saturating_sub(*at)).unwrap_or(usize::MAX);
            let Some(piece) = piece.get(skipped..).filter(|piece| !piece.is_empty()) else {
                continue;
            };
            if at + skipped as u64 != next {
                break;
            }
            if !records.piece(&mut open, next, piece) {
                break;
            }
            next += piece.len() as u64;
        }
        records
    }

    /// Takes bytes; false where no record begins although one must.
    fn piece(&mut self, open: &mut Open, at: u64, mut bytes: &[u8]) -> bool {
        let end = at + bytes.len() as u64;
        while !bytes.is_empty() {
            if open.header.len() < HEADER {
                let begin = end - bytes.len() as u64 - open.header.len() as u64;
                let (header, rest) = bytes.split_at(bytes.len().min(HEADER - open.header.len()));
                open.header.extend_from_slice(header);
                bytes = rest;
                if !possible(&open.header) {
                    self.strays_at = Some(begin);
                    return false;
                }
                if let [_, _, _, high, low] = *open.header {
                    open.left = usize::from(u16::from_be_bytes([high, low]));
                }
                if open.header.len() < HEADER || open.left > 0 {
                    continue;
                }
            }
            let (body, rest) = bytes.split_at(bytes.len().min(open.left));
            bytes = rest;
            open.left -= body.len();
            // The contents of other records say nothing.
            if matches!(open.header[0], ALERT | HANDSHAKE) {
                open.body.extend_from_slice(body);
            }
            if open.left == 0 {
                let Open { header, body, .. } = std::mem::take(open);
                self.record(header[0], &body);
            }
        }
        true
    }

    fn record(&mut self, kind: u8, body: &[u8]) {
        self.whole += 1;
        match kind {
            CHANGE_CIPHER => self.changed = true,
            // An encrypted one is longer.
            ALERT => match *body {
                [level, number] if self.alerts.len() < MOST_ALERTS => {
                    self.alerts.push((level, number));
                }
                [_, _] => {}
                _ => self.hidden_alerts += 1,
            },
            HANDSHAKE if !self.changed => {
                self.handshake.extend_from_slice(body);
                self.messages();
            }
            _ => {}
        }
    }

    fn messages(&mut self) {
        let mut at = 0;
        while let Some([kind, a, b, c]) = self.handshake.get(at..).and_then(<[u8]>::first_chunk) {
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            if length > LONGEST_MESSAGE || self.messages.len() >= MOST_MESSAGES {
                // Nothing that is of interest here is so long; what follows is not looked for.
                self.changed = true;
                break;
            }
            let begin = at + 4;
            let Some(body) = self.handshake.get(begin..begin + length) else {
                break;
            };
            self.messages.extend(hello::read(*kind, body));
            at = begin + length;
        }
        self.handshake.drain(..at);
    }
}

/// Whether these may be the first bytes of a record.
fn possible(header: &[u8]) -> bool {
    let length = |header: &[u8]| usize::from(u16::from_be_bytes([header[3], header[4]]));
    header
        .first()
        .is_none_or(|kind| (CHANGE_CIPHER..=HEARTBEAT).contains(kind))
        && header.get(1).is_none_or(|major| *major == MAJOR)
        && header.get(2).is_none_or(|minor| *minor <= 4)
        && (header.len() < HEADER || length(header) <= LONGEST)
}
