//! A handshake with everything that can be seen of it, and what comes behind it.

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::time::Instant;

use meshproof_record::{ProbeAlert, ProbeEnd, ProbeLevel, ProbeTls};
use rustls::{AlertDescription, ClientConnection, Error, ProtocolVersion};

use super::alert::{alert, level};
use super::client::Prepared;
use super::watch::Watch;
use super::{Spoken, Times};
use crate::certificate;
use crate::first::{First, is_tls};
use crate::wire::{Got, Wire, ms};

pub(super) fn speak(prepared: Prepared, wire: &mut Wire, times: Times) -> Spoken {
    let Prepared {
        connection,
        watch,
        offered,
    } = prepared;
    let talk = Talk {
        connection,
        watch,
        wire,
        times,
        start: Instant::now(),
        raw: First::open(false),
        head: Vec::new(),
        inside: Vec::new(),
        tls: ProbeTls {
            offered,
            ..ProbeTls::default()
        },
    };
    talk.through()
}

struct Talk<'a> {
    connection: ClientConnection,
    watch: Arc<Watch>,
    wire: &'a mut Wire,
    times: Times,
    start: Instant,
    /// What came as it came.
    raw: First,
    /// Its first bytes.
    head: Vec<u8>,
    /// What came inside TLS and was not looked at yet.
    inside: Vec<u8>,
    tls: ProbeTls,
}

/// Why a handshake or a session went no further.
enum Stop {
    Ended(ProbeEnd),
    Tls(Error),
}

impl Talk<'_> {
    fn through(mut self) -> Spoken {
        let stop = self.handshake();
        self.tls.ms = ms(self.start);
        self.tls.finished = !self.connection.is_handshaking();
        self.tls.answered_in_plaintext = self.is_foreign();
        let (first, end) = match stop {
            None => self.session(),
            Some(Stop::Ended(end)) if self.is_foreign() => (self.raw.report(), end),
            Some(Stop::Ended(end)) => (None, end),
            Some(Stop::Tls(_)) if self.is_foreign() => {
                let end = self.foreign();
                (self.raw.report(), end)
            }
            Some(Stop::Tls(error)) => (None, self.failed(&error)),
        };
        describe(&mut self.tls, &self.connection, &self.watch);
        Spoken {
            tls: self.tls,
            first,
            end,
        }
    }

    fn handshake(&mut self) -> Option<Stop> {
        let deadline = self.start + self.times.timeout;
        loop {
            self.flush();
            if !self.connection.is_handshaking() {
                return None;
            }
            if let Err(stop) = self.hear(deadline) {
                return Some(stop);
            }
        }
    }

    /// Waits for first bytes. In TLS 1.3 this is where a server rejects the client: its alert comes to
    /// one whose handshake has finished.
    fn session(&mut self) -> (Option<meshproof_record::ProbeBytes>, ProbeEnd) {
        let mut first = First::open(true);
        let deadline = Instant::now() + self.times.hold;
        let end = loop {
            first.add(&std::mem::take(&mut self.inside));
            if first.is_enough() {
                break ProbeEnd::ClosedByProber;
            }
            match self.hear(deadline) {
                Ok(()) => self.flush(),
                Err(Stop::Ended(end)) => break end,
                Err(Stop::Tls(error)) => break self.failed(&error),
            }
        };
        first.add(&std::mem::take(&mut self.inside));
        if matches!(end, ProbeEnd::ClosedByProber | ProbeEnd::Held) {
            self.connection.send_close_notify();
            self.flush();
        }
        (first.report(), end)
    }

    /// Reads once and gives it to TLS.
    fn hear(&mut self, deadline: Instant) -> Result<(), Stop> {
        let mut buffer = [0; 4096];
        let count = match self.wire.read(&mut buffer, deadline) {
            Got::Bytes(count) => count,
            Got::Ended(end) => return Err(Stop::Ended(end)),
        };
        let mut bytes = &buffer[..count];
        self.raw.add(bytes);
        let room = 3_usize.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..room.min(count)]);
        while !bytes.is_empty() {
            let taken = self.connection.read_tls(&mut bytes);
            taken.map_err(|error| Stop::Tls(Error::General(error.to_string())))?;
            let state = self.connection.process_new_packets();
            let closed = self.read_inside();
            state.map_err(Stop::Tls)?;
            if closed {
                return Err(Stop::Ended(ProbeEnd::ClosedByPeer));
            }
        }
        Ok(())
    }

    /// Takes what is inside; whether the other side has said that nothing more comes.
    fn read_inside(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.connection.reader().read(&mut buffer) {
                Ok(0) => return true,
                Ok(count) => self.inside.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // A cut connection shows in the socket's end.
                Err(_) => return false,
            }
        }
    }

    fn flush(&mut self) {
        let mut bytes = Vec::new();
        while self.connection.wants_write() {
            // Writing to memory does not fail.
            if self.connection.write_tls(&mut bytes).is_err() {
                break;
            }
        }
        if let Some((byte, number)) = last_alert(&bytes)
            && number != u8::from(AlertDescription::CloseNotify)
        {
            let sent = self.alert(level(byte), number);
            self.tls.alert_sent.get_or_insert(sent);
        }
        if !bytes.is_empty() {
            self.wire.send(&bytes, self.times.timeout);
        }
    }

    fn alert(&self, level: ProbeLevel, number: u8) -> ProbeAlert {
        let finished = !self.connection.is_handshaking();
        alert(level, number, self.start, finished)
    }

    fn failed(&mut self, error: &Error) -> ProbeEnd {
        self.tls.error = Some(error.to_string());
        // What TLS has to say of it goes out first.
        if let Error::AlertReceived(description) = error {
            // The library gives an error for an alert only where it ends the connection.
            let received = self.alert(ProbeLevel::Fatal, u8::from(*description));
            self.tls.alert_received = Some(received);
            return self.wire.drain(Instant::now() + self.times.hold);
        }
        if let Error::InvalidCertificate(why) = error {
            let number = AlertDescription::from(why.clone()).into();
            self.tls.alert_sent = Some(self.alert(ProbeLevel::Fatal, number));
        }
        self.flush();
        ProbeEnd::ClosedByProber
    }

    fn is_foreign(&self) -> bool {
        !self.head.is_empty() && !is_tls(&self.head)
    }

    /// What is no TLS is read on, to tell what it is.
    fn foreign(&mut self) -> ProbeEnd {
        let deadline = Instant::now() + self.times.hold;
        let mut buffer = [0; 4096];
        while !self.raw.is_enough() {
            match self.wire.read(&mut buffer, deadline) {
                Got::Bytes(count) => self.raw.add(&buffer[..count]),
                Got::Ended(end) => return end,
            }
        }
        ProbeEnd::ClosedByProber
    }
}

/// An alert in the clear at the end of what is sent.
fn last_alert(bytes: &[u8]) -> Option<(u8, u8)> {
    match bytes {
        [.., 21, 3, _, 0, 2, level @ 1..=2, number] => Some((*level, *number)),
        _ => None,
    }
}

fn describe(tls: &mut ProbeTls, connection: &ClientConnection, watch: &Watch) {
    let seen = watch.seen();
    tls.version = connection.protocol_version().map(version);
    let suite = connection.negotiated_cipher_suite();
    // The library marks the suites of TLS 1.3 in its names.
    let name = |suite: rustls::SupportedCipherSuite| format!("{:?}", suite.suite());
    tls.cipher = suite.map(|suite| name(suite).replace("TLS13_", "TLS_"));
    let alpn = connection.alpn_protocol();
    tls.alpn = alpn.map(|name| String::from_utf8_lossy(name).into_owned());
    tls.chain = seen
        .chain
        .iter()
        .map(|der| certificate::describe(der))
        .collect();
    let answered = seen.asked || !seen.chain.is_empty();
    tls.asked_for_certificate = answered.then_some(seen.asked);
    tls.accepted_authorities = seen
        .authorities
        .iter()
        .map(|der| certificate::name(der))
        .collect();
    tls.refused = seen.refused;
    let accepted = tls.alert_sent.is_none() && !seen.chain.is_empty();
    tls.certificate_sent = seen.sent && accepted;
}

fn version(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "1.3".to_owned(),
        other => format!("{other:?}"),
    }
}
