//! A hello of the prober's own making, and the answer to it. The handshake goes no further.

use std::time::Instant;

use meshproof_record::{ProbeEnd, ProbeTls};
use rustls::crypto::ring;

use super::alert::{alert, level};
use super::answer::Answer;
use super::{Spoken, Times};
use crate::certificate;
use crate::first::{First, is_tls};
use crate::hello;
use crate::request::{RequestError, TlsOpening};
use crate::wire::{Got, Wire, ms};

/// Longer answers are cut: a chain of certificates fits.
const MOST: usize = 128 * 1024;

/// What to send.
pub(super) fn bytes(tls: &TlsOpening) -> Result<Vec<u8>, RequestError> {
    let mut random = [0; 32];
    let filled = ring::default_provider().secure_random.fill(&mut random);
    filled.map_err(|_| RequestError::Json("this machine gives no random bytes".to_owned()))?;
    Ok(hello::encode(tls, &random))
}

pub(super) fn speak(bytes: &[u8], offered: String, wire: &mut Wire, times: Times) -> Spoken {
    let start = Instant::now();
    let mut tls = ProbeTls {
        offered,
        ..ProbeTls::default()
    };
    let mut plain = First::open(false);
    wire.send(bytes, times.timeout);
    let deadline = start + times.timeout;
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let (answer, end) = loop {
        match wire.read(&mut buffer, deadline) {
            Got::Bytes(count) => {
                all.extend_from_slice(&buffer[..count]);
                plain.add(&buffer[..count]);
            }
            Got::Ended(end) => break (Answer::read(&all), end),
        }
        let answer = Answer::read(&all);
        if let Some((byte, number)) = answer.alert {
            tls.alert_received = Some(alert(level(byte), number, start, false));
            tls.ms = ms(start);
            break (answer, wire.drain(Instant::now() + times.hold));
        }
        let foreign = !is_tls(&all) && plain.is_enough();
        if answer.done || foreign || all.len() > MOST {
            break (answer, ProbeEnd::ClosedByProber);
        }
    };
    if tls.alert_received.is_none() {
        tls.ms = ms(start);
    }
    if let Some((version, suite)) = answer.chosen {
        tls.version = Some(version_name(version));
        tls.cipher = Some(format!("0x{suite:04x}"));
    }
    tls.chain = answer
        .chain
        .iter()
        .map(|der| certificate::describe(der))
        .collect();
    tls.asked_for_certificate = (!tls.chain.is_empty()).then_some(answer.asked);
    tls.answered_in_plaintext = !all.is_empty() && !is_tls(&all);
    let first = tls.answered_in_plaintext.then(|| plain.report()).flatten();
    Spoken { tls, first, end }
}

fn version_name([major, minor]: [u8; 2]) -> String {
    match (major, minor) {
        (3, 0) => "SSL 3.0".to_owned(),
        (3, minor @ 1..=4) => format!("1.{}", minor - 1),
        _ => format!("0x{major:02x}{minor:02x}"),
    }
}
