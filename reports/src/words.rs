//! The record's own words for its values, and short phrases made of them.

use meshproof_record::{Cause, Hop, Observed, Outcome, Status};
use serde::Serialize;

/// The word that `run.json` uses for a value of one of the record's plain enums.
pub(crate) fn word<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

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
