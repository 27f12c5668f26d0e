//! One connection, phase by phase.

use std::time::{Duration, Instant};

use meshproof_record::{ProbeBytes, ProbeEnd, ProbeOpening, ProbeReport, ProbeTls};

use crate::first::First;
use crate::request::{Opening, Request, RequestError};
use crate::resolve::resolve;
use crate::tls::{self, Ready, Times};
use crate::wire::{Got, Wire, ms};

/// Makes the connection and reports it, whatever becomes of it.
///
/// # Errors
/// The request cannot be carried out: nothing was sent.
pub fn connect(request: &Request) -> Result<ProbeReport, RequestError> {
    let start = Instant::now();
    let times = Times {
        timeout: Duration::from_millis(request.timeout_ms),
        hold: Duration::from_millis(request.hold_ms),
    };
    let (opening, say) = match &request.opening {
        Opening::Silent => (ProbeOpening::Silent, Say::Plain("")),
        Opening::Speak(text) => (ProbeOpening::Speak, Say::Plain(text)),
        Opening::Tls(tls) => (
            ProbeOpening::Tls,
            Say::Tls(tls::prepare(tls, &request.host)?),
        ),
    };
    let (addresses, dns) = resolve(&request.host, request.port, times.timeout);
    let (wire, tcp) = Wire::dial(&addresses, times.timeout);
    let after = wire.map_or_else(After::not_connected, |wire| say.to(wire, times));
    Ok(ProbeReport {
        host: request.host.clone(),
        port: request.port,
        opening,
        dns,
        tcp,
        tls: after.tls,
        first_bytes: after.first,
        end: after.end,
        hold_ms: request.hold_ms,
        ms: ms(start),
    })
}

/// What is said over a connection that stands.
enum Say<'a> {
    Plain(&'a str),
    Tls(Ready),
}

/// What came of it.
struct After {
    tls: Option<ProbeTls>,
    first: Option<ProbeBytes>,
    end: ProbeEnd,
}

impl After {
    fn not_connected() -> Self {
        Self {
            tls: None,
            first: None,
            end: ProbeEnd::NotConnected,
        }
    }
}

impl Say<'_> {
    fn to(self, mut wire: Wire, times: Times) -> After {
        match self {
            Self::Plain(text) => {
                let (first, end) = plain(&mut wire, text, times);
                After {
                    tls: None,
                    first,
                    end,
                }
            }
            Self::Tls(ready) => {
                let spoken = ready.speak(&mut wire, times);
                After {
                    tls: Some(spoken.tls),
                    first: spoken.first,
                    end: spoken.end,
                }
            }
        }
    }
}

fn plain(wire: &mut Wire, text: &str, times: Times) -> (Option<ProbeBytes>, ProbeEnd) {
    let mut first = First::open(false);
    if !text.is_empty() {
        wire.send(text.as_bytes(), times.timeout);
    }
    let deadline = Instant::now() + times.hold;
    let mut buffer = [0; 4096];
    let end = loop {
        if first.is_enough() {
            break ProbeEnd::ClosedByProber;
        }
        match wire.read(&mut buffer, deadline) {
            Got::Bytes(count) => first.add(&buffer[..count]),
            Got::Ended(end) => break end,
        }
    };
    (first.report(), end)
}
