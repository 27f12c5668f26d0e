//! One TCP connection.

use std::net::SocketAddr;

use meshproof_record::{WireConnection, WireDirection, WireOpening, WireSide};

use super::packet::Segment;
use super::speech::{self, Spoken};
use super::stream::{Direction, Stream};

/// How far behind a SYN the first byte that was captured before it may lie.
const LATE: std::ops::Range<i64> = 0..(1 << 24);

#[derive(Debug)]
pub(super) struct Connection<'a> {
    client: SocketAddr,
    server: SocketAddr,
    /// Number of the client's SYN and of the server's.
    syn: Option<u32>,
    answer: Option<u32>,
    syns: u64,
    answered: Option<u64>,
    unreachable: bool,
    capture: u64,
    first: u64,
    last: u64,
    from_client: Direction<'a>,
    from_server: Direction<'a>,
}

impl<'a> Connection<'a> {
    /// Of the first segment that was captured of it.
    pub(super) fn new(segment: &Segment<'_>, at: u64, capture: u64) -> Self {
        let by_client = match (segment.syn, segment.acknowledged.is_some()) {
            (true, false) => true,
            (true, true) => false,
            // Services have the lower port.
            _ => segment.from.port() >= segment.to.port(),
        };
        let (client, server) = if by_client {
            (segment.from, segment.to)
        } else {
            (segment.to, segment.from)
        };
        Self {
            client,
            server,
            syn: None,
            answer: None,
            syns: 0,
            answered: None,
            unreachable: false,
            capture,
            first: at,
            last: at,
            from_client: Direction::default(),
            from_server: Direction::default(),
        }
    }

    /// Whether a segment between the same two belongs to this connection and not to a later one.
    pub(super) fn takes(&self, segment: &Segment<'_>) -> bool {
        if !segment.syn {
            return true;
        }
        let after = segment.sequence.wrapping_add(1);
        let (own, sent) = if opens(segment) {
            (self.syn, &self.from_client)
        } else {
            (self.answer, &self.from_server)
        };
        // Who is client may have been taken from the ports, and wrongly.
        let sent = if self.syn.is_none() && self.answer.is_none() {
            self.of(segment.from)
        } else {
            sent
        };
        match own {
            Some(own) => own == segment.sequence,
            None => sent
                .distance(after)
                .is_none_or(|behind| LATE.contains(&behind)),
        }
    }

    fn of(&self, sender: SocketAddr) -> &Direction<'a> {
        if sender == self.client {
            &self.from_client
        } else {
            &self.from_server
        }
    }

    pub(super) fn add(&mut self, segment: &Segment<'a>, at: u64) {
        self.last = self.last.max(at);
        self.first = self.first.min(at);
        if segment.syn {
            self.syn(segment, at);
        }
        let (sent, other) = if segment.from == self.client {
            (&mut self.from_client, &mut self.from_server)
        } else {
            (&mut self.from_server, &mut self.from_client)
        };
        sent.sent(segment, at);
        if let (Some(number), false) = (segment.acknowledged, segment.rst) {
            other.acknowledged(number);
        }
    }

    fn syn(&mut self, segment: &Segment<'_>, at: u64) {
        let client = if opens(segment) {
            self.syn = Some(segment.sequence);
            self.syns += 1;
            segment.from
        } else {
            self.answer = Some(segment.sequence);
            self.answered.get_or_insert(at);
            segment.to
        };
        if client != self.client {
            std::mem::swap(&mut self.client, &mut self.server);
            std::mem::swap(&mut self.from_client, &mut self.from_server);
        }
    }

    /// Somebody said that there is no way to the server.
    pub(super) fn unreachable(&mut self, from: SocketAddr, at: u64) {
        if from == self.client && self.syn.is_some() {
            self.unreachable = true;
            self.last = self.last.max(at);
        }
    }

    fn opening(&self) -> WireOpening {
        let answers = self.from_server.packets;
        match (self.syn, self.answer) {
            (None, None) => WireOpening::MidStream,
            (Some(_), None) if self.unreachable => WireOpening::Refused,
            (Some(_), None) if answers == 0 => WireOpening::Unanswered,
            (Some(_), None) if self.from_server.rst.is_some() => WireOpening::Refused,
            (_, Some(_)) | (Some(_), None) => WireOpening::Established,
        }
    }

    /// What there is to tell, and what both ends sent.
    pub(super) fn tell(self) -> (WireConnection, [(WireSide, Stream<'a>); 2]) {
        let opening = self.opening();
        let first = self.first;
        let since = |at: u64| milliseconds(at.saturating_sub(first));
        let direction = |direction: &Direction<'_>| WireDirection {
            packets: direction.packets,
            fin_ms: direction.fin.map(since),
            rst_ms: direction.rst.map(since),
            ..WireDirection::default()
        };
        let (mut from_client, mut from_server) =
            (direction(&self.from_client), direction(&self.from_server));
        let (client, server) = (self.from_client.assemble(), self.from_server.assemble());
        let Spoken {
            client: by_client,
            server: by_server,
            tls,
            mysql,
        } = speech::read(&client, &server);
        for (told, stream, heard) in [
            (&mut from_client, &client, by_client),
            (&mut from_server, &server, by_server),
        ] {
            told.bytes = stream.bytes;
            told.repeated = stream.repeated;
            told.contradicting = stream.contradicting;
            told.missing = stream.missing;
            told.truncated = stream.truncated;
            (told.speaks, told.strays_at) = (heard.speaks, heard.strays_at);
        }
        let told = WireConnection {
            client: self.client,
            server: self.server,
            opening,
            syns: self.syns,
            started_ms: milliseconds(first.saturating_sub(self.capture)),
            lasted_ms: since(self.last),
            answered_ms: self.answered.map(since),
            from_client,
            from_server,
            tls,
            mysql,
        };
        (
            told,
            [(WireSide::Client, client), (WireSide::Server, server)],
        )
    }
}

/// The client's SYN acknowledges nothing yet.
fn opens(segment: &Segment<'_>) -> bool {
    segment.acknowledged.is_none()
}

/// Precise to a microsecond, as the captures of most tools are.
fn milliseconds(nanoseconds: u64) -> f64 {
    let microseconds = u32::try_from(nanoseconds / 1_000).unwrap_or(u32::MAX);
    f64::from(microseconds) / 1_000.0
}
