//! Short phrases made of the record's own words.

use meshproof_record::{Cause, Hop, Observed, Outcome, Status, word};

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
