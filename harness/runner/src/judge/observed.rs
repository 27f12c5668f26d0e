//! How the session of a case ended, by whom and why: what is known of it, for the attribution.

use meshproof_evidence::HopLogs;
use meshproof_record::{Cause, Hop, Observed};
use meshproof_sql::{ClientEnd, FirstPacket};

use super::counters::{QUESTIONS, grown};
use super::facts::Facts;
use super::{path, source};
use crate::attribution::{Attribution, Client, Signs, attribute, is_unanswered};

pub(super) fn observe(facts: &Facts<'_>) -> Attribution {
    let evidence = &facts.case.evidence;
    let unreadable = facts.unreadable.iter().map(|(hop, _)| *hop);
    let missing = path::HOPS
        .into_iter()
        .filter(|hop| facts.is_missing(&source::log(*hop)));
    let database = evidence.database.as_ref();
    let none = HopLogs::default();
    attribute(&Signs {
        client: client(facts),
        opening: facts.opening(),
        sidecar: None,
        peer: None,
        logs: if is_of_others(facts) {
            &none
        } else {
            &facts.logs
        },
        alone: false,
        unreadable: &facts.unreadable,
        lost: missing.chain(unreadable).collect(),
        dropped: dropped(facts),
        wire: evidence.wire.as_ref(),
        // Counters that make no sense are told by the check that needs them.
        statements: database.and_then(|database| grown(database, QUESTIONS).ok()),
    })
}

/// Whether the lines that came cannot be the session's: TCP never carried it anywhere. A sidecar would have taken it,
/// and its line would be here.
fn is_of_others(facts: &Facts<'_>) -> bool {
    let never = match (&facts.probe, &facts.end) {
        (Some(probe), _) => probe.as_ref().is_ok_and(is_unanswered),
        (None, end) => matches!(end, Some(ClientEnd::NoAnswer(_))),
    };
    let sidecar = facts.logs.get(&Hop::ClientSidecar);
    never && sidecar.is_none_or(Vec::is_empty)
}

/// What to look at where a certificate was found to be out of its time, and must not be.
pub(super) fn clocks(observed: Observed) -> &'static str {
    match observed.cause {
        Cause::NotYetValid | Cause::Expired => {
            "; a certificate's times are judged by the clock of the machine that refuses it: compare that clock with the times in it"
        }
        _ => "",
    }
}

fn client(facts: &Facts<'_>) -> Result<Client, String> {
    let Some(client) = &facts.case.evidence.client else {
        return Err(facts.why_missing(source::CLIENT));
    };
    if let Some(probe) = &facts.probe {
        return probe.clone().map(Box::new).map(Client::Probe);
    }
    Ok(match &facts.end {
        Some(end) => Client::MySql {
            end: end.clone(),
            printed: !client.stdout.is_empty(),
        },
        None => Client::Raw {
            first: FirstPacket::read(&client.stdout),
            tls: None,
        },
    })
}

/// SYN packets that came and were dropped, with a client that had no answer.
fn dropped(facts: &Facts<'_>) -> Option<String> {
    let network = facts.case.evidence.network.as_ref()?;
    let client = facts.case.evidence.client.as_ref()?;
    if network.syns == 0 || network.drops == 0 || !unanswered(facts) {
        return None;
    }
    Some(match (&client.stopped, &facts.end) {
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
    })
}

/// No byte came back: the client was stopped silent, or says itself that nobody answered.
fn unanswered(facts: &Facts<'_>) -> bool {
    let silent = facts
        .case
        .evidence
        .client
        .as_ref()
        .is_some_and(|client| client.stdout.is_empty() && client.stderr.is_empty());
    if let Some(probe) = &facts.probe {
        return probe.as_ref().is_ok_and(is_unanswered);
    }
    match &facts.end {
        Some(ClientEnd::NoAnswer(_)) => true,
        Some(ClientEnd::Stopped) => silent,
        Some(_) => false,
        None => facts.case.evidence.client.as_ref().is_some_and(|client| {
            client.stopped.is_some() && client.received_bytes.unwrap_or(0) == 0
        }),
    }
}
