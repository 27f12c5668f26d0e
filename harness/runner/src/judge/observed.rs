//! How the session ended, by whom and why, in the vocabulary of the expectation.

use meshproof_evidence::attribute;
use meshproof_record::{Cause, Hop, Observed, Outcome};
use meshproof_sql::ClientEnd;

use super::facts::Facts;
use super::source;
use crate::words;

/// What the evidence shows.
pub(super) enum Seen {
    /// One thing, and how it is known.
    Known(Observed, String),
    /// Not enough to tell, and what is the matter.
    Unclear(String),
}

impl Seen {
    pub(super) fn known(&self) -> Option<(Observed, &str)> {
        match self {
            Self::Known(observed, how) => Some((*observed, how)),
            Self::Unclear(_) => None,
        }
    }
}

fn known(outcome: Outcome, hop: Hop, cause: Cause, how: impl Into<String>) -> Seen {
    Seen::Known(
        Observed {
            outcome,
            hop,
            cause,
        },
        how.into(),
    )
}

pub(super) fn observe(facts: &Facts<'_>) -> Seen {
    by_client(facts)
        .or_else(|| by_router(facts))
        .or_else(|| by_logs(facts))
        .unwrap_or_else(|| by_silence(facts))
}

/// What the client's own words settle. Most of its errors have many causes and settle nothing.
fn by_client(facts: &Facts<'_>) -> Option<Seen> {
    let words = || {
        facts
            .end
            .as_ref()
            .and_then(ClientEnd::error)
            .map_or_else(String::new, |error| {
                format!("the client says: {}", error.message)
            })
    };
    match facts.end.as_ref()? {
        ClientEnd::Connected => Some(known(
            Outcome::Connected,
            Hop::None,
            Cause::None,
            "the client ended without an error",
        )),
        ClientEnd::StatementFailed(_) | ClientEnd::LostInSession(_) => Some(known(
            Outcome::Connected,
            Hop::None,
            Cause::None,
            format!("the session stood; {}", words()),
        )),
        ClientEnd::NameUnknown(_) => Some(known(
            Outcome::Unreachable,
            Hop::Client,
            Cause::Dns,
            words(),
        )),
        ClientEnd::AuthDenied(_) => Some(known(
            Outcome::Refused,
            Hop::Mysqld,
            Cause::AuthDenied,
            words(),
        )),
        ClientEnd::UnknownDatabase(_) => Some(known(
            Outcome::Refused,
            Hop::Mysqld,
            Cause::UnknownDatabase,
            words(),
        )),
        ClientEnd::Refused(_) => Some(known(
            Outcome::Refused,
            Hop::Network,
            Cause::Refused,
            words(),
        )),
        _ => None,
    }
}

/// SYN packets that came and were dropped, with a client that had no answer.
fn by_router(facts: &Facts<'_>) -> Option<Seen> {
    let network = facts.case.evidence.network.as_ref()?;
    let client = facts.case.evidence.client.as_ref()?;
    if network.syns == 0 || network.drops == 0 || !unanswered(facts) {
        return None;
    }
    let how = match (&client.stopped, &facts.end) {
        (Some(stopped), _) => format!("unanswered: {stopped}"),
        (None, Some(ClientEnd::NoAnswer(error))) => {
            format!(
                "the client waited {:.1} s and says: {}; the router dropped {} packets",
                client.seconds, error.message, network.drops
            )
        }
        _ => format!(
            "the router dropped {} packets, and the client had no answer",
            network.drops
        ),
    };
    Some(known(
        Outcome::Unreachable,
        Hop::Network,
        Cause::Dropped,
        how,
    ))
}

/// No byte came back: the client was stopped silent, or says itself that nobody answered.
fn unanswered(facts: &Facts<'_>) -> bool {
    let silent = facts
        .case
        .evidence
        .client
        .as_ref()
        .is_some_and(|client| client.stdout.is_empty() && client.stderr.is_empty());
    match &facts.end {
        Some(ClientEnd::NoAnswer(_)) => true,
        Some(ClientEnd::Stopped) => silent,
        Some(_) => false,
        None => facts.case.evidence.client.as_ref().is_some_and(|client| {
            client.stopped.is_some() && client.received_bytes.unwrap_or(0) == 0
        }),
    }
}

/// What the proxies say.
fn by_logs(facts: &Facts<'_>) -> Option<Seen> {
    if let Some((hop, why)) = facts.unreadable.first() {
        return Some(Seen::Unclear(format!(
            "the log of {} cannot be read: {why}",
            words::hop(*hop)
        )));
    }
    let attribution = attribute(&facts.logs, facts.opening());
    if let Some(finding) = attribution.certain() {
        return Some(known(
            outcome(finding.cause),
            finding.hop,
            finding.cause,
            finding.why.clone(),
        ));
    }
    let first = attribution.findings.first()?;
    let found: Vec<String> = attribution
        .findings
        .iter()
        .map(|finding| {
            let causes: Vec<String> = finding.causes().map(words::cause).collect();
            format!(
                "{}: {} ({})",
                words::hop(finding.hop),
                causes.join(" or "),
                finding.why
            )
        })
        .collect();
    let one = attribution.findings.len() == 1;
    let verb = if one && first.also.is_empty() {
        "the lines show only an effect"
    } else {
        "the lines fit several causes"
    };
    Some(Seen::Unclear(format!("{verb}: {}", found.join("; "))))
}

/// A proxy that found nobody behind it refused nothing: there was nobody to reach.
fn outcome(cause: Cause) -> Outcome {
    match cause {
        Cause::NoEndpoint | Cause::Dropped => Outcome::Unreachable,
        _ => Outcome::Refused,
    }
}

/// No words, no counters, no finding. Silence on a timeout that was seen is a drop in the network,
/// provided that every proxy's log was there to be looked into.
fn by_silence(facts: &Facts<'_>) -> Seen {
    let lines: usize = facts.logs.values().map(Vec::len).sum();
    let lost: Vec<String> = super::path::HOPS
        .iter()
        .map(|hop| source::log(*hop))
        .filter(|source| facts.is_missing(source))
        .collect();
    match &facts.end {
        Some(ClientEnd::NoAnswer(error)) if lines == 0 && lost.is_empty() => known(
            Outcome::Unreachable,
            Hop::Network,
            Cause::Dropped,
            format!(
                "the client says: {}; no proxy logged a connection",
                error.message
            ),
        ),
        None if facts.case.evidence.client.is_none() => {
            Seen::Unclear(facts.why_missing(source::CLIENT))
        }
        end => {
            let said = end
                .as_ref()
                .and_then(ClientEnd::error)
                .map_or_else(|| "nothing".to_owned(), |error| error.message.clone());
            let missing = if lost.is_empty() {
                String::new()
            } else {
                format!("; missing: {}", lost.join(", "))
            };
            Seen::Unclear(format!(
                "no proxy and no router tells who refused; the client says: {said}{missing}"
            ))
        }
    }
}
