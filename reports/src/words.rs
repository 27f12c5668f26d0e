//! Short phrases made of the record's own words.

use meshproof_record::{Cause, Expectation, Hop, Observed, Outcome, Status, word};

use crate::totals::Totals;

/// A verdict's word, as the table shows it.
pub(crate) fn status(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Fail => "fail",
        Status::Inconclusive => "inconclusive",
        Status::Skipped => "skipped",
    }
}

/// What was observed, in a few words: `connected`, `refused by ingress: not-tls`.
pub(crate) fn observed(observed: Observed) -> String {
    let end = match (observed.outcome, observed.hop) {
        (Outcome::Connected, _) | (_, Hop::None) => word(observed.outcome),
        (Outcome::Refused, hop) => format!("refused by {}", word(hop)),
        (Outcome::Unreachable, hop) => format!("unreachable at {}", word(hop)),
    };
    match observed.cause {
        Cause::None => end,
        // "refused" would be said twice.
        Cause::Refused if observed.outcome == Outcome::Refused => end,
        cause => format!("{end}: {}", word(cause)),
    }
}

/// What was expected, in the words of [`observed`].
pub(crate) fn expected(expectation: &Expectation) -> String {
    observed(Observed {
        outcome: expectation.outcome,
        hop: expectation.hop.unwrap_or(Hop::None),
        cause: expectation.cause.unwrap_or(Cause::None),
    })
}

/// `12 passed, 1 failed`, with what there is none of left out, except what passed.
pub(crate) fn counts(totals: &Totals) -> String {
    let mut parts = vec![format!("{} passed", totals.passed)];
    for (count, what) in [
        (totals.failed, "failed"),
        (totals.inconclusive, "inconclusive"),
        (totals.skipped, "skipped"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join(", ")
}

/// `no session`, `1 session`, `2 sessions`.
pub(crate) fn number(count: u64, what: &str) -> String {
    match count {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    }
}
