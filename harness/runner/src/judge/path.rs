//! The path of the session through the hops, and the protection of its legs.

use meshproof_evidence::leg::Shown;
use meshproof_evidence::{HopLine, LegProof, SessionPath, prove_legs, stitch};
use meshproof_record::{ExpectedHop, ExpectedLeg, Hop};

use super::checks::Checks;
use super::facts::Facts;
use super::source;
use crate::words;

/// The proxies on the path, in order.
pub(super) const HOPS: [Hop; 4] = meshproof_evidence::PATH;

/// Checks hops and legs of every session that the client's sidecar logged.
pub(super) fn check(facts: &Facts<'_>, checks: &mut Checks) {
    let expected = &facts.case.expectation;
    if expected.path.is_empty() && expected.legs.is_empty() {
        return;
    }
    for (hop, why) in &facts.unreadable {
        checks.unknown(format!("log of {}", words::hop(*hop)), why.as_str());
    }
    let stitched = stitch(&facts.logs);
    let Some((session, more)) = stitched.sessions.split_first() else {
        return no_session(facts, checks);
    };
    if !more.is_empty() {
        let detail = format!(
            "{} sessions were logged for one client; the first is judged with the others beside it",
            more.len() + 1
        );
        checks.unknown("one session", detail);
    }
    // Legs first: an unprotected leg shows at the hops too, and is what has to be named.
    let proofs = prove_legs(session);
    for expected in &expected.legs {
        check_leg(session, &proofs, expected, checks);
    }
    for expected in &expected.path {
        check_hop(facts, session, expected, checks);
    }
}

/// Without a session, each expected hop and leg is named as what could not be established.
fn no_session(facts: &Facts<'_>, checks: &mut Checks) {
    let lost = HOPS
        .iter()
        .map(|hop| source::log(*hop))
        .find(|source| facts.is_missing(source));
    let why = lost.map_or_else(
        || "the client's sidecar logged no session".to_owned(),
        |source| facts.why_missing(&source),
    );
    for leg in &facts.case.expectation.legs {
        checks.unknown(leg_title(leg), why.as_str());
    }
    for hop in &facts.case.expectation.path {
        checks.unknown(hop_title(hop.hop), why.as_str());
    }
}

fn hop_title(hop: Hop) -> String {
    format!("hop {}", words::hop(hop))
}

pub(super) fn leg_title(leg: &ExpectedLeg) -> String {
    format!("leg {} -> {}", words::hop(leg.from), words::hop(leg.to))
}

fn check_hop(
    facts: &Facts<'_>,
    session: &SessionPath<'_>,
    expected: &ExpectedHop,
    checks: &mut Checks,
) {
    let title = hop_title(expected.hop);
    let Some(line) = session.line(expected.hop) else {
        let source = source::log(expected.hop);
        let why = if facts.is_missing(&source) {
            facts.why_missing(&source)
        } else {
            session.broken.as_ref().map_or_else(
                || "no line of it belongs to this session".to_owned(),
                ToString::to_string,
            )
        };
        return checks.unknown(title, why);
    };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (name, wanted, found) in compare(expected, line) {
        match found {
            Some(found) if found == wanted => good.push(format!("{name} {found}")),
            Some(found) => bad.push(format!("{name} is {found}, expected {wanted}")),
            None => bad.push(format!("{name} was not logged, expected {wanted}")),
        }
    }
    if bad.is_empty() {
        checks.pass(
            title,
            if good.is_empty() {
                "passed".to_owned()
            } else {
                good.join(", ")
            },
        );
    } else {
        checks.fail(title, bad.join("; "));
    }
}

/// Name, expected and logged value of everything that is expected of a hop.
fn compare(expected: &ExpectedHop, line: &HopLine) -> Vec<(&'static str, String, Option<String>)> {
    let mut values = Vec::new();
    if let Some(cluster) = &expected.cluster {
        values.push((
            "upstream cluster",
            cluster.clone(),
            line.upstream_cluster.text().map(str::to_owned),
        ));
    }
    if let Some(upstream) = &expected.upstream {
        values.push((
            "upstream host",
            upstream.clone(),
            line.upstream_host.value().map(ToString::to_string),
        ));
    }
    if let Some(port) = expected.upstream_port {
        let found = line
            .upstream_host
            .value()
            .and_then(meshproof_evidence::Address::port);
        values.push((
            "upstream port",
            port.to_string(),
            found.map(|port| port.to_string()),
        ));
    }
    if let Some(sni) = &expected.sni {
        values.push((
            "server name",
            sni.clone(),
            line.sni.text().map(str::to_owned),
        ));
    }
    values
}

fn check_leg(
    session: &SessionPath<'_>,
    proofs: &[LegProof],
    expected: &ExpectedLeg,
    checks: &mut Checks,
) {
    let title = leg_title(expected);
    let Some(proof) = proofs
        .iter()
        .find(|proof| proof.from == expected.from && proof.to == expected.to)
    else {
        let next: Vec<String> = HOPS
            .windows(2)
            .map(|hops| format!("{} -> {}", words::hop(hops[0]), words::hop(hops[1])))
            .collect();
        return checks.unknown(
            title,
            format!("there is no such leg; the path has {}", next.join(", ")),
        );
    };
    let Some(found) = proof.protection() else {
        return checks.unknown(title, unknown_words(proof));
    };
    let detail = format!(
        "{}{}",
        words::protection(found),
        shown_words(proof, session, expected.to)
    );
    if found != expected.encrypted {
        return checks.fail(
            title,
            format!(
                "{detail}; expected {}",
                words::protection(expected.encrypted)
            ),
        );
    }
    match (&expected.peer, &proof.mutual) {
        (Some(peer), Shown::Yes(identity)) => {
            let detail = if identity.is(peer) {
                detail
            } else {
                format!("{detail}; expected the sender to be {peer}")
            };
            checks.expect(identity.is(peer), title, detail);
        }
        (Some(peer), _) => checks.unknown(
            title,
            format!("{detail}; the sender is not known, expected {peer}"),
        ),
        (None, _) => checks.pass(title, detail),
    }
}

fn unknown_words(proof: &LegProof) -> String {
    [
        shown_unknown(&proof.encrypted),
        shown_unknown(&proof.mutual),
    ]
    .into_iter()
    .flatten()
    .next()
    .unwrap_or_default()
}

fn shown_unknown<T>(shown: &Shown<T>) -> Option<String> {
    match shown {
        Shown::Unknown(why) => Some(why.clone()),
        Shown::Yes(_) | Shown::No(_) => None,
    }
}

/// What the receiver logged that shows it.
fn shown_words(proof: &LegProof, session: &SessionPath<'_>, receiver: Hop) -> String {
    let receiver_name = words::hop(receiver);
    match (&proof.encrypted, &proof.mutual) {
        (Shown::No(_), _) => format!(
            ", {receiver_name} received {} and logged no TLS version and no peer",
            session
                .line(receiver)
                .and_then(|line| line.bytes_received.value().copied())
                .map_or_else(|| "bytes".to_owned(), |n| format!("{n} bytes"))
        ),
        (Shown::Yes(tls), Shown::Yes(identity)) => {
            format!(", {receiver_name} logged {tls} and the peer {identity}")
        }
        (Shown::Yes(tls), _) => format!(", {receiver_name} logged {tls} and no peer"),
        (Shown::Unknown(why), _) => format!(" ({why})"),
    }
}
