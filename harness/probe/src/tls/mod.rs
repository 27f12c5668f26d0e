//! TLS as the prober speaks it.

mod alert;
mod answer;
mod client;
mod only_hello;
mod session;
mod watch;

use std::time::Duration;

use meshproof_record::{ProbeBytes, ProbeEnd, ProbeTls};

use crate::request::{RequestError, TlsOpening};
use crate::wire::Wire;

/// How long things may take.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// The handshake.
    pub(crate) timeout: Duration,
    /// First bytes behind it.
    pub(crate) hold: Duration,
}

/// A TLS client that is ready to speak: nothing in its request is left to be wrong.
pub(crate) enum Ready {
    Session(Box<client::Prepared>),
    OnlyHello { bytes: Vec<u8>, offered: String },
}

/// What came of it.
pub(crate) struct Spoken {
    pub(crate) tls: ProbeTls,
    pub(crate) first: Option<ProbeBytes>,
    pub(crate) end: ProbeEnd,
}

/// Makes a client of a request.
pub(crate) fn prepare(tls: &TlsOpening, host: &str) -> Result<Ready, RequestError> {
    if tls.only_hello().is_none() {
        return client::prepare(tls, host).map(|made| Ready::Session(Box::new(made)));
    }
    let offered = tls
        .malformed
        .map_or(tls.max.number(), |kind| kind.name())
        .to_owned();
    let bytes = only_hello::bytes(tls)?;
    Ok(Ready::OnlyHello { bytes, offered })
}

impl Ready {
    pub(crate) fn speak(self, wire: &mut Wire, times: Times) -> Spoken {
        match self {
            Self::Session(prepared) => session::speak(*prepared, wire, times),
            Self::OnlyHello { bytes, offered } => only_hello::speak(&bytes, offered, wire, times),
        }
    }
}
