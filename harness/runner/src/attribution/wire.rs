//! What the link between the clusters tells of a session that crossed it, or did not.
//!
//! Only facts count: an alert in clear names a cause ([`refusal`]); a SYN that nobody answered was dropped;
//! who said no TLS to a port that is known to want it, and got no byte for it, was not let in. Silence by
//! itself is not that: a server that hangs is as silent as one that waits for a hello. Two things tell them
//! apart, and where there is neither, both stay possible: the same address has answered a TLS hello under
//! this configuration, or it hung up without a byte when Envoy's wait for a connection's first bytes ended.

use meshproof_evidence::classify::Finding;
use meshproof_evidence::wire::{gaps, refusal};
use meshproof_record::{
    Cause, Hop, Observed, Outcome, WireConnection, WireEvidence, WireOpening, WireSide, WireSpeech,
    word,
};

use super::{Claim, DROPPED, Shown, Signs};

/// Shorter silence is nobody's decision.
const SILENCE_MS: f64 = 1_000.0;
/// Envoy's default for the first bytes of a connection to a gateway, and what a busy machine adds.
const FIRST_BYTES_MS: std::ops::Range<f64> = 14_500.0..18_000.0;
/// A first SYN may be under way; one that is sent again had no answer for a second.
const UNANSWERED_SYNS: u64 = 2;

/// What a connection tells.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    /// Nobody answered.
    Dropped(String),
    /// The server's end wants TLS and got none.
    NotTls(String),
    /// Nobody said anything, and it is not known what the server's end waits for.
    Silence(String),
    /// Nothing about a refusal.
    Nothing,
}

/// The capture, if what is in it is the session's: one that another hop than the ingress gateway would
/// answer does not cross the link, and behind the masquerade nobody knows whose connections are whose.
fn wire<'a>(signs: &Signs<'a>) -> Option<&'a WireEvidence> {
    let crosses = signs.peer.is_none_or(|peer| peer == Hop::Ingress);
    signs.wire.filter(|wire| crosses && !wire.shared)
}

/// Connections that began with the session.
fn begun(wire: &WireEvidence) -> impl Iterator<Item = &WireConnection> {
    let all = wire.connections.iter();
    all.filter(|connection| connection.opening != WireOpening::MidStream)
}

/// What alerts in clear tell.
pub(super) fn findings(signs: &Signs<'_>) -> Vec<Finding> {
    let Some(wire) = wire(signs) else {
        return Vec::new();
    };
    let client = client(signs);
    begun(wire)
        .filter_map(|connection| refusal(connection, client, Some(Hop::Ingress)))
        .collect()
}

/// Who opens connections over the link. Behind the masquerade all look the same.
fn client(signs: &Signs<'_>) -> Option<Hop> {
    let logged = |hop| signs.logs.get(&hop).is_some_and(|lines| !lines.is_empty());
    match signs.sidecar {
        Some(false) => Some(Hop::Client),
        _ if logged(Hop::Egress) => Some(Hop::Egress),
        _ => None,
    }
}

/// What all connections of the session agree on.
fn told(signs: &Signs<'_>) -> Told {
    let Some(wire) = wire(signs) else {
        return Told::Nothing;
    };
    // Absence counts only where nothing was missed.
    if !gaps(wire).is_empty() {
        return Told::Nothing;
    }
    let mut all = begun(wire).map(|connection| of(connection, wire));
    let Some(first) = all.next() else {
        return Told::Nothing;
    };
    let kind = std::mem::discriminant(&first);
    if all.all(|other| std::mem::discriminant(&other) == kind) {
        first
    } else {
        Told::Nothing
    }
}

fn of(connection: &WireConnection, wire: &WireEvidence) -> Told {
    let server = connection.server;
    match connection.opening {
        WireOpening::Unanswered if connection.syns >= UNANSWERED_SYNS => Told::Dropped(format!(
            "on the link, {} SYN packets to {server} had no answer",
            connection.syns
        )),
        WireOpening::Established => unheard(connection, wire.tls_servers.contains(&server)),
        _ => Told::Nothing,
    }
}

/// A connection on which the server's end said nothing.
fn unheard(connection: &WireConnection, wants_tls: bool) -> Told {
    let (client, server) = (&connection.from_client, &connection.from_server);
    if server.speaks != WireSpeech::Nothing {
        return Told::Nothing;
    }
    let plain = match client.speaks {
        WireSpeech::Nothing => false,
        WireSpeech::Other | WireSpeech::Mysql => true,
        _ => return Told::Nothing,
    };
    let (Some(by), Some(end)) = (connection.ended_by(), ended_ms(connection)) else {
        return Told::Nothing;
    };
    let address = connection.server;
    let said = if plain {
        "bytes that are no TLS"
    } else {
        "no byte"
    };
    let seconds = end / 1_000.0;
    let how = match by {
        WireSide::Server => format!(
            "on the link, {address} was sent {said} and hung up after {seconds:.1} s without a byte"
        ),
        WireSide::Client => {
            format!("on the link, {address} was sent {said} and said nothing for {seconds:.1} s")
        }
    };
    if by == WireSide::Server && !plain && FIRST_BYTES_MS.contains(&end) {
        return Told::NotTls(format!(
            "{how}, as a gateway does that waits for a TLS hello"
        ));
    }
    // One that hangs up at once has decided; one that is left alone must have had the time to speak.
    let decided = by == WireSide::Server && plain;
    if !decided && end < SILENCE_MS {
        return Told::Nothing;
    }
    if wants_tls {
        Told::NotTls(format!("{how}; it answers those that open TLS"))
    } else {
        Told::Silence(how)
    }
}

fn ended_ms(connection: &WireConnection) -> Option<f64> {
    connection.from(connection.ended_by()?).ended_ms()
}

const NOT_TLS: Observed = Observed {
    outcome: Outcome::Refused,
    hop: Hop::Ingress,
    cause: Cause::NotTls,
};

pub(super) fn claim(signs: &Signs<'_>) -> Option<Claim> {
    match told(signs) {
        Told::Dropped(how) => Some(Claim::new(DROPPED, SOURCE, how)),
        Told::NotTls(how) => Some(Claim::new(NOT_TLS, SOURCE, how)),
        Told::Silence(_) | Told::Nothing => None,
    }
}

/// What stays possible where nobody said anything: a gateway that waits for a hello, or a way in clear to
/// a database that does not greet or is not there.
pub(super) fn open(signs: &Signs<'_>) -> Option<(String, Vec<Observed>)> {
    let Told::Silence(how) = told(signs) else {
        return None;
    };
    let mysqld = |cause| Observed {
        hop: Hop::Mysqld,
        cause,
        ..NOT_TLS
    };
    let fits = vec![
        NOT_TLS,
        mysqld(Cause::NoGreeting),
        mysqld(Cause::ServerDown),
    ];
    Some((how, fits))
}

/// The name of this source.
pub(super) const SOURCE: &str = "wire";

/// What crossed, for the list of evidence.
pub(super) fn said(signs: &Signs<'_>) -> Option<Shown> {
    let wire = wire(signs)?;
    let missed = gaps(wire);
    if let Some(first) = missed.first() {
        return Some(Shown::new(
            SOURCE,
            format!("the capture is not whole: {first}"),
        ));
    }
    let told: Vec<String> = begun(wire).map(in_words).collect();
    Some(match told.as_slice() {
        [] => Shown::new(SOURCE, "no connection crossed the link"),
        told => Shown::new(SOURCE, told.join("; ")),
    })
}

fn in_words(connection: &WireConnection) -> String {
    let speech = |side| word(connection.from(side).speaks);
    let opening = match connection.opening {
        WireOpening::Unanswered => return format!("nobody answered at {}", connection.server),
        WireOpening::Refused => return format!("{} refused TCP", connection.server),
        WireOpening::Established | WireOpening::MidStream => connection.server,
    };
    let client = speech(WireSide::Client);
    let server = speech(WireSide::Server);
    let version = connection.tls.as_ref().and_then(|tls| tls.version.clone());
    let version = version.map_or_else(String::new, |version| format!(", {version}"));
    format!("to {opening} the client's end spoke {client}, the server's {server}{version}")
}

#[cfg(test)]
mod tests;
