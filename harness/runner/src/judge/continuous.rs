//! Sessions while the environment changed: whether any failed, and whether new ones show the new
//! certificate.

use meshproof_evidence::HopLine;
use meshproof_record::{Failures, Hop};

use super::checks::Checks;
use super::facts::Facts;
use super::source;

/// The operator of the log format that tells which certificate a client showed.
const FINGERPRINT: &str = "DOWNSTREAM_PEER_FINGERPRINT_256";

pub(super) fn check(facts: &Facts<'_>, checks: &mut Checks) {
    const WHAT: &str = "sessions while the environment changed";
    let Some(expected) = facts.case.expectation.failures else {
        return;
    };
    let Some(found) = &facts.case.evidence.continuous else {
        return checks.unknown(WHAT, facts.why_missing(source::CLIENT));
    };
    let all: u64 = found.sessions.iter().sum();
    let words = format!("{} of {all} failed", found.failed);
    match expected {
        Failures::None => checks.expect(found.failed == 0, WHAT, words),
        Failures::Some => {
            checks.expect(found.failed > 0, WHAT, words);
            let what = "sessions after the last change";
            let detail = format!("{} failed", found.failed_at_the_end);
            checks.expect(found.failed_at_the_end == 0, what, detail);
        }
    }
    if let Some(wanted) = &found.client_certificate {
        presented(facts, wanted, checks);
    }
}

/// The ingress gateway logs which certificate it was shown.
fn presented(facts: &Facts<'_>, wanted: &str, checks: &mut Checks) {
    const WHAT: &str = "new sessions show the new client certificate";
    let lines = facts.logs.get(&Hop::Ingress);
    let shown = lines.and_then(|lines| lines.iter().rev().find_map(fingerprint));
    match shown {
        Some(shown) => checks.expect(shown == wanted, WHAT, format!("SHA-256 {shown}")),
        None => checks.unknown(
            WHAT,
            format!("no line of ingress tells: %{FINGERPRINT}% in its log format would"),
        ),
    }
}

fn fingerprint(line: &HopLine) -> Option<String> {
    line.peer_fingerprint.value().cloned()
}
