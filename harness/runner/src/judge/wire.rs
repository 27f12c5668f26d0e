//! What crossed the link between the clusters: secrets in no byte, or in clear where a detector is shown to
//! see it.

use meshproof_evidence::wire::gaps;
use meshproof_record::{
    ExpectedLink, Outcome, WireCanary, WireConnection, WireEvidence, WireOpening, WirePlace,
    WireSide, WireSpeech,
};

use super::checks::Checks;
use super::facts::Facts;
use super::{gateways, source};

/// The titles of the checks.
const SECRET: &str = "crossing stays secret";
const READABLE: &str = "the capture sees what crosses in clear";
const NOTHING: &str = "nothing crosses the link";

/// Checks what the case says of the link between the clusters.
pub(super) fn check(facts: &Facts<'_>, checks: &mut Checks) {
    let Some(expected) = facts.case.expectation.link else {
        return;
    };
    let connected = facts.case.expectation.outcome == Outcome::Connected;
    // A capture that failed is not replaced: it was there to see what the gateways do not say.
    if facts.is_missing(source::NO_CAPTURE) {
        return match expected {
            ExpectedLink::Secret => gateways::secret(facts, connected, SECRET, checks),
            ExpectedLink::Nothing => gateways::nothing(facts, NOTHING, checks),
            ExpectedLink::Readable => {
                checks.unknown(READABLE, facts.why_missing(source::NO_CAPTURE));
            }
        };
    }
    let wire = facts.case.evidence.wire.as_ref();
    let wire = wire.ok_or_else(|| facts.why_missing(source::WIRE));
    match expected {
        ExpectedLink::Secret => secret(wire, connected, checks),
        ExpectedLink::Readable => readable(wire, checks),
        ExpectedLink::Nothing => nothing(wire, checks),
    }
}

/// No canary in any byte, nothing of MySQL in clear, and every byte looked at. Where a session got through
/// and no connection speaks TLS, the capture does not look where it crosses.
fn secret(wire: Result<&WireEvidence, String>, connected: bool, checks: &mut Checks) {
    let wire = match wire {
        Ok(wire) => wire,
        Err(why) => return checks.unknown(SECRET, why),
    };
    if let Some(found) = found(wire) {
        return checks.fail(SECRET, found);
    }
    match in_clear(wire) {
        // A canary is the case's own; a connection may be anybody's.
        Some(seen) if wire.shared => {
            return checks.unknown(SECRET, format!("{seen}; other cases were under way"));
        }
        Some(seen) => return checks.fail(SECRET, seen),
        None => {}
    }
    if let Some(gap) = gaps(wire).first() {
        return checks.unknown(SECRET, format!("not every byte was looked at: {gap}"));
    }
    if wire.canaries.is_empty() {
        return checks.unknown(SECRET, "no text was looked for");
    }
    let crossed: Vec<_> = wire
        .connections
        .iter()
        .filter(|one| is_session(one))
        .collect();
    let bytes: u64 = crossed
        .iter()
        .map(|one| one.from_client.bytes + one.from_server.bytes)
        .sum();
    if connected && bytes == 0 {
        return checks.unknown(
            SECRET,
            format!(
                "no session with TLS was seen at {}: the capture does not look where it crosses",
                wire.captured_at
            ),
        );
    }
    checks.pass(
        SECRET,
        format!(
            "{} packets at {}, {bytes} bytes in {} connections with TLS: {} in none{}",
            wire.packets,
            wire.captured_at,
            crossed.len(),
            quoted(&wire.canaries),
            if wire.shared {
                "; other cases were under way"
            } else {
                ""
            }
        ),
    );
}

/// The positive control of the detector: a session in clear must be found. Not all that was looked for need
/// be sent as it stands in the scenario.
fn readable(wire: Result<&WireEvidence, String>, checks: &mut Checks) {
    let wire = match wire {
        Ok(wire) => wire,
        Err(why) => return checks.unknown(READABLE, why),
    };
    if wire.canaries.is_empty() {
        return checks.unknown(READABLE, "no text was looked for");
    }
    if let Some(found) = found(wire) {
        return checks.pass(READABLE, found);
    }
    let absent = format!("{} in no byte", quoted(&wire.canaries));
    match gaps(wire).first() {
        Some(gap) => checks.unknown(READABLE, format!("{absent}, but {gap}")),
        None => checks.fail(READABLE, absent),
    }
}

/// Not one byte of anybody's: calls without an answer are none.
fn nothing(wire: Result<&WireEvidence, String>, checks: &mut Checks) {
    let wire = match wire {
        Ok(wire) => wire,
        Err(why) => return checks.unknown(NOTHING, why),
    };
    let carries = |one: &&WireConnection| one.from_client.bytes + one.from_server.bytes > 0;
    let carried = wire.connections.iter().find(carries);
    if let Some(one) = carried {
        let detail = format!(
            "{} bytes from {} to {} and {} back",
            one.from_client.bytes, one.client, one.server, one.from_server.bytes
        );
        // What was open before the case, or may be another's, is not shown to be its own.
        if wire.shared || one.opening == WireOpening::MidStream {
            let detail = format!("{detail}, which may be another case's");
            return checks.unknown(NOTHING, detail);
        }
        return checks.fail(NOTHING, detail);
    }
    if let Some(gap) = gaps(wire).first() {
        return checks.unknown(NOTHING, format!("not every packet was looked at: {gap}"));
    }
    let calls: u64 = wire.connections.iter().map(|one| one.syns).sum();
    checks.pass(
        NOTHING,
        format!("no byte at {}, {calls} calls", wire.captured_at),
    );
}

/// A canary.
fn found(wire: &WireEvidence) -> Option<String> {
    let canary = wire.canaries.iter().find(|canary| canary.times > 0)?;
    let place = canary.places.first().map(|place| place_words(wire, place));
    Some(format!(
        "{:?} crossed in clear, {} times, first {}",
        canary.text,
        canary.times,
        place.unwrap_or_default()
    ))
}

/// A connection that is not, or not wholly, encrypted.
fn in_clear(wire: &WireEvidence) -> Option<String> {
    wire.connections.iter().find_map(|connection| {
        let ends = format!("from {} to {}", connection.client, connection.server);
        if connection.mysql.is_some() {
            return Some(format!("MySQL was spoken in clear {ends}"));
        }
        let astray = |side| connection.from(side).strays_at.map(|at| (side, at));
        let (side, at) = WireSide::BOTH.into_iter().find_map(astray)?;
        let who = name(side);
        Some(format!(
            "the {who} left TLS at its byte {at} {ends}: what follows is in no record"
        ))
    })
}

fn is_session(connection: &WireConnection) -> bool {
    connection.opening == WireOpening::Established
        && connection.from_client.speaks == WireSpeech::Tls
        && connection.from_server.speaks == WireSpeech::Tls
}

fn place_words(wire: &WireEvidence, place: &WirePlace) -> String {
    match place {
        WirePlace::Stream {
            connection,
            from,
            at,
        } => {
            let ends = wire
                .connections
                .get(*connection)
                .map(|connection| format!(" of {} to {}", connection.client, connection.server));
            format!(
                "at byte {at} of the {}{}",
                name(*from),
                ends.unwrap_or_default()
            )
        }
        WirePlace::Packet { number } => format!("in packet {number}"),
    }
}

fn name(side: WireSide) -> &'static str {
    match side {
        WireSide::Client => "client",
        WireSide::Server => "server",
    }
}

fn quoted(canaries: &[WireCanary]) -> String {
    let texts: Vec<String> = canaries
        .iter()
        .map(|one| format!("{:?}", one.text))
        .collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshproof_evidence::wire::{Capture, examine};
    use meshproof_record::Status;

    const CANARY: &str = "Crypto Canary";

    fn recorded(name: &str) -> WireEvidence {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../evidence/tests/data/wire");
        let bytes = std::fs::read(format!("{folder}/{name}.pcap")).unwrap();
        examine(Capture::read(&bytes).unwrap().iter(), &[CANARY.to_owned()])
    }

    fn judged(
        check: fn(Result<&WireEvidence, String>, &mut Checks),
        wire: Result<&WireEvidence, String>,
    ) -> (Status, String) {
        let mut checks = Checks::default();
        check(wire, &mut checks);
        let [only] = <[_; 1]>::try_from(checks.into_list()).unwrap();
        (only.status, only.detail)
    }

    fn crossed(wire: Result<&WireEvidence, String>, checks: &mut Checks) {
        secret(wire, true, checks);
    }

    fn status(wire: &WireEvidence) -> Status {
        judged(crossed, Ok(wire)).0
    }

    #[test]
    fn sessions_with_tls_pass_and_plaintext_fails() {
        for name in ["ok-12", "ok-13", "server-simple-12", "server-simple-13"] {
            assert_eq!(status(&recorded(name)), Status::Pass, "{name}");
        }
        let (status, detail) = judged(crossed, Ok(&recorded("plaintext")));
        assert_eq!(status, Status::Fail);
        assert!(
            detail.contains("\"Crypto Canary\" crossed in clear, 2 times"),
            "{detail}"
        );
    }

    #[test]
    fn mysql_in_clear_fails_without_a_canary() {
        let mut wire = recorded("plaintext");
        wire.canaries[0].times = 0;
        let (status, detail) = judged(crossed, Ok(&wire));
        assert_eq!(status, Status::Fail);
        assert!(detail.contains("MySQL was spoken in clear"), "{detail}");
    }

    #[test]
    fn what_may_be_anothers_is_no_failure_and_a_canary_is() {
        let mut wire = recorded("plaintext");
        wire.shared = true;
        assert_eq!(status(&wire), Status::Fail);
        wire.canaries[0].times = 0;
        assert_eq!(status(&wire), Status::Inconclusive);
        let mut wire = recorded("ok-13");
        wire.shared = true;
        assert_eq!(status(&wire), Status::Pass);
    }

    #[test]
    fn bytes_behind_tls_fail() {
        let mut wire = recorded("ok-13");
        wire.connections[0].from_client.strays_at = Some(7);
        let (status, detail) = judged(crossed, Ok(&wire));
        assert_eq!(status, Status::Fail);
        assert!(
            detail.contains("the client left TLS at its byte 7"),
            "{detail}"
        );
    }

    #[test]
    fn what_was_not_seen_is_never_a_pass() {
        type Spoil = fn(&mut WireEvidence);
        let spoils: [Spoil; 9] = [
            |wire| wire.dropped = 1,
            |wire| wire.cut = 1,
            |wire| wire.untracked = 1,
            |wire| wire.connections[0].from_client.missing = 1,
            |wire| wire.connections[0].from_server.contradicting = 1,
            |wire| wire.connections[0].from_server.truncated = true,
            |wire| wire.canaries.clear(),
            |wire| wire.connections.clear(),
            |wire| wire.connections[0].opening = WireOpening::MidStream,
        ];
        for (index, spoil) in spoils.into_iter().enumerate() {
            let mut wire = recorded("ok-13");
            spoil(&mut wire);
            assert_eq!(status(&wire), Status::Inconclusive, "{index}");
            // What was found was found, whatever was lost beside it.
            let mut wire = recorded("plaintext");
            if index != 6 && index != 7 {
                spoil(&mut wire);
                assert_eq!(status(&wire), Status::Fail, "{index}");
            }
        }
        let (status, detail) = judged(crossed, Err("no evidence of wire: gone".to_owned()));
        assert_eq!(
            (status, detail.as_str()),
            (Status::Inconclusive, "no evidence of wire: gone")
        );
    }

    #[test]
    fn refusals_carry_no_session_and_may_be_secret() {
        let refused = |wire: Result<&WireEvidence, String>, checks: &mut Checks| {
            secret(wire, false, checks);
        };
        for name in [
            "unmeshed-3306",
            "unmeshed-plain-silent",
            "sni-foreign",
            "tls-to-plain",
        ] {
            assert_eq!(status(&recorded(name)), Status::Inconclusive, "{name}");
            let (status, _) = judged(refused, Ok(&recorded(name)));
            assert_eq!(status, Status::Pass, "{name}");
        }
        assert_eq!(judged(refused, Ok(&recorded("plaintext"))).0, Status::Fail);
    }

    #[test]
    fn nothing_is_not_a_single_byte() {
        let status = |wire: &WireEvidence| judged(nothing, Ok(wire)).0;
        for (name, expected) in [
            ("unmeshed-3306", Status::Pass),
            ("unmeshed-plain-silent", Status::Pass),
            ("sni-foreign", Status::Fail),
            ("ok-13", Status::Fail),
            ("plaintext", Status::Fail),
        ] {
            assert_eq!(status(&recorded(name)), expected, "{name}");
        }
        let mut wire = recorded("unmeshed-3306");
        wire.dropped = 1;
        assert_eq!(status(&wire), Status::Inconclusive);
        let mut wire = recorded("ok-13");
        wire.connections[0].opening = WireOpening::MidStream;
        assert_eq!(status(&wire), Status::Inconclusive);
        assert_eq!(judged(nothing, Err(String::new())).0, Status::Inconclusive);
    }

    #[test]
    fn the_detectors_control() {
        let status = |wire: &WireEvidence| judged(readable, Ok(wire)).0;
        assert_eq!(status(&recorded("plaintext")), Status::Pass);
        let mut wire = recorded("ok-13");
        assert_eq!(status(&wire), Status::Fail);
        wire.dropped = 1;
        assert_eq!(status(&wire), Status::Inconclusive);
        wire.canaries.clear();
        assert_eq!(status(&wire), Status::Inconclusive);
        assert_eq!(judged(readable, Err(String::new())).0, Status::Inconclusive);
    }
}
