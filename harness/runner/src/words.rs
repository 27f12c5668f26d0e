//! Words of the run record, as people read them.

use meshproof_record::{Cause, Hop, Observed, Outcome, Protection, Status, word};

/// A hop's name.
pub(crate) fn hop(hop: Hop) -> String {
    word(hop)
}

/// A cause's name.
pub(crate) fn cause(cause: Cause) -> String {
    word(cause)
}

/// An outcome's name.
pub(crate) fn outcome(outcome: Outcome) -> String {
    word(outcome)
}

/// A protection's name.
pub(crate) fn protection(protection: Protection) -> String {
    match protection {
        Protection::Mutual => "encrypted and mutually authenticated".to_owned(),
        Protection::ServerOnly => "encrypted, the sender not authenticated".to_owned(),
        Protection::None => "plaintext".to_owned(),
    }
}

/// A status's name.
pub(crate) fn status(status: Status) -> String {
    word(status)
}

/// `refused by ingress: not-tls`.
pub(crate) fn observed(observed: Observed) -> String {
    match observed.outcome {
        Outcome::Connected => word(observed.outcome),
        Outcome::Refused => format!(
            "refused by {}: {}",
            hop(observed.hop),
            cause(observed.cause)
        ),
        Outcome::Unreachable => format!(
            "unreachable, {}: {}",
            hop(observed.hop),
            cause(observed.cause)
        ),
    }
}
