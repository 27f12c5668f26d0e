//! The first bytes that came, and what they are.

use std::time::Instant;

use meshproof_record::{ProbeBytes, ProbeFirst};
use meshproof_sql::FirstPacket;

use crate::hex::hex;
use crate::wire::ms;

/// How many are kept.
const KEPT: usize = 64;
/// Bytes of a MySQL packet before its payload.
const HEADER: usize = 4;

/// Collects them.
pub(crate) struct First {
    open: Instant,
    protected: bool,
    came: Option<f64>,
    count: u64,
    kept: Vec<u8>,
}

impl First {
    /// From now on they may come, inside TLS or not.
    pub(crate) fn open(protected: bool) -> Self {
        Self {
            open: Instant::now(),
            protected,
            came: None,
            count: 0,
            kept: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.came.get_or_insert_with(|| ms(self.open));
        self.count += bytes.len() as u64;
        let room = KEPT - self.kept.len();
        self.kept.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    /// Whether no more is needed: a whole packet of MySQL, or as much as is kept of anything.
    pub(crate) fn is_enough(&self) -> bool {
        let whole = |kept: &[u8]| {
            let length = kept
                .first_chunk()
                .map_or(0, |&[low, mid, high, _]: &[u8; HEADER]| {
                    u32::from_le_bytes([low, mid, high, 0]) as usize
                });
            self.count >= (HEADER + length) as u64
        };
        let packet = FirstPacket::read(&hex(&self.kept)).is_some();
        self.kept.len() == KEPT || packet && whole(&self.kept)
    }

    pub(crate) fn report(self) -> Option<ProbeBytes> {
        let hex = hex(&self.kept);
        Some(ProbeBytes {
            ms: self.came?,
            count: self.count,
            what: what(&self.kept, &hex),
            hex,
            protected: self.protected,
        })
    }
}

fn what(bytes: &[u8], hex: &str) -> ProbeFirst {
    match FirstPacket::read(hex) {
        Some(FirstPacket::Greeting) => ProbeFirst::MysqlGreeting,
        Some(FirstPacket::Error) => ProbeFirst::MysqlError,
        None if is_tls(bytes) => ProbeFirst::TlsRecord,
        None => ProbeFirst::Other,
    }
}

/// The head of a TLS record (RFC 8446, 5.1): alert or handshake, version 3.x.
pub(crate) fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=23, 3, 0..=4, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&[u8]]) -> (bool, Option<ProbeBytes>) {
        let mut first = First::open(false);
        for part in parts {
            first.add(part);
        }
        (first.is_enough(), first.report())
    }

    #[test]
    fn tells_what_came() {
        let greeting: &[u8] = &[3, 0, 0, 0, 10, b'8', 0];
        for (bytes, expected) in [
            (greeting, ProbeFirst::MysqlGreeting),
            (&[1, 0, 0, 0, 0xff], ProbeFirst::MysqlError),
            (&[21, 3, 3, 0, 2, 2, 10], ProbeFirst::TlsRecord),
            (b"HTTP/1.1 400", ProbeFirst::Other),
        ] {
            assert_eq!(of(&[bytes]).1.unwrap().what, expected);
        }
        assert_eq!(of(&[]), (false, None));
    }

    #[test]
    fn a_packet_in_pieces_is_waited_for() {
        assert!(!of(&[&[3, 0, 0, 0]]).0);
        assert!(!of(&[&[3, 0, 0, 0, 10]]).0);
        let (enough, bytes) = of(&[&[3, 0, 0], &[0, 10], b"8\0"]);
        assert!(enough);
        let bytes = bytes.unwrap();
        assert_eq!((bytes.count, bytes.hex.as_str()), (7, "030000000a3800"));
    }

    #[test]
    fn only_so_much_is_kept() {
        let (enough, bytes) = of(&[&[b'x'; 100]]);
        let bytes = bytes.unwrap();
        assert!(enough);
        assert_eq!((bytes.count, bytes.hex.len()), (100, 128));
    }
}
