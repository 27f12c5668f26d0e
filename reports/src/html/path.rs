//! The way from client to database as a picture: what each hop shows of the case, and how each leg is
//! protected. It says what evidence there is, and nothing about what there is none of.

use meshproof_record::{
    CaseRecord, DatabaseEvidence, Evidence, ExpectedLeg, Hop, Outcome, Protection, word,
};
use serde::Serialize;

use crate::words::{number, status};

/// In the order of the path.
const HOPS: [(Hop, &str); 7] = [
    (Hop::Client, "client"),
    (Hop::ClientSidecar, "client sidecar"),
    (Hop::Egress, "egress gateway"),
    (Hop::Network, "network"),
    (Hop::Ingress, "ingress gateway"),
    (Hop::ServerSidecar, "server sidecar"),
    (Hop::Mysqld, "database"),
];

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Path {
    nodes: Vec<Node>,
    /// Between a node and the next.
    legs: Vec<Leg>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Node {
    hop: String,
    name: &'static str,
    state: State,
    note: String,
}

/// What a hop shows of the case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// Something of it came here.
    Seen,
    /// The session ended here.
    Ended,
    /// It was looked, and there was nothing.
    Silent,
    /// There is no evidence.
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Leg {
    /// A verdict's word, or empty where nothing was demanded of the leg, or it was not judged.
    verdict: &'static str,
    demanded: &'static str,
}

impl Path {
    pub(super) fn of(case: &CaseRecord) -> Self {
        Self {
            nodes: HOPS.iter().map(|hop| node(case, *hop)).collect(),
            legs: legs(case),
        }
    }
}

fn node(case: &CaseRecord, (hop, name): (Hop, &'static str)) -> Node {
    let (state, note) = ended(case, hop).unwrap_or_else(|| shown(&case.evidence, hop));
    Node {
        hop: word(hop),
        name,
        state,
        note,
    }
}

fn ended(case: &CaseRecord, hop: Hop) -> Option<(State, String)> {
    let seen = case.verdict.observed?;
    if seen.outcome == Outcome::Connected || seen.hop != hop {
        return None;
    }
    let cause = word(seen.cause);
    let note = match word(seen.outcome) {
        outcome if outcome == cause => outcome,
        outcome => format!("{outcome}: {cause}"),
    };
    Some((State::Ended, note))
}

fn shown(evidence: &Evidence, hop: Hop) -> (State, String) {
    let nothing = || (State::Unknown, "no evidence".to_owned());
    match hop {
        Hop::Client => evidence.client.as_ref().map_or_else(nothing, |client| {
            let note = match (client.exit, &client.stopped) {
                (_, Some(_)) => "was stopped".to_owned(),
                (Some(code), None) => format!("ended with {code}"),
                (None, None) => "ended by a signal".to_owned(),
            };
            (State::Seen, note)
        }),
        Hop::Network => network(evidence).unwrap_or_else(nothing),
        Hop::Mysqld => evidence
            .database
            .as_ref()
            .map_or_else(nothing, |database| counted(sessions(database), "session")),
        _ => evidence
            .logs
            .get(&hop)
            .map_or_else(nothing, |log| counted(log.lines.len() as u64, "line")),
    }
}

fn network(evidence: &Evidence) -> Option<(State, String)> {
    if let Some(wire) = &evidence.wire {
        let (state, mut note) = counted(wire.connections.len() as u64, "connection");
        if wire.shared {
            note.push_str(", others' too");
        }
        return Some((state, note));
    }
    let network = evidence.network.as_ref()?;
    Some(counted(network.syns, "SYN"))
}

fn counted(count: u64, what: &str) -> (State, String) {
    let state = if count == 0 {
        State::Silent
    } else {
        State::Seen
    };
    (state, number(count, what))
}

/// Sessions that the server counted during the case (`SHOW GLOBAL STATUS`, `Connections`), without those of
/// the harness itself.
pub(super) fn sessions(database: &DatabaseEvidence) -> u64 {
    let read = |counters: &std::collections::BTreeMap<String, u64>| {
        counters.get("Connections").copied().unwrap_or_default()
    };
    read(&database.after)
        .saturating_sub(read(&database.before))
        .saturating_sub(read(&database.own))
}

fn legs(case: &CaseRecord) -> Vec<Leg> {
    let mut all = vec![Leg::default(); HOPS.len() - 1];
    let place = |hop| HOPS.iter().position(|(other, _)| *other == hop);
    for expected in &case.expectation.legs {
        if let (Some(from), Some(to)) = (place(expected.from), place(expected.to))
            && from < to
        {
            all[from..to].fill(leg(case, expected));
        }
    }
    all
}

fn leg(case: &CaseRecord, expected: &ExpectedLeg) -> Leg {
    let what = format!("leg {} -> {}", word(expected.from), word(expected.to));
    let check = case.verdict.checks.iter().find(|check| check.what == what);
    Leg {
        verdict: check.map_or("", |check| status(check.status)),
        demanded: match expected.encrypted {
            Protection::Mutual => "mutual TLS",
            Protection::ServerOnly => "server's TLS",
            Protection::None => "plaintext",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{negative, positive};

    fn notes(case: &CaseRecord) -> Vec<String> {
        let nodes = Path::of(case).nodes;
        nodes
            .iter()
            .map(|node| format!("{}: {:?}, {}", node.hop, node.state, node.note))
            .collect()
    }

    #[test]
    fn hops_show_what_there_is_of_them() {
        insta::assert_snapshot!(notes(&positive()).join("\n"));
    }

    #[test]
    fn who_refused_is_marked() {
        let notes = notes(&negative());
        assert!(
            notes.contains(&"ingress: Ended, refused: not-tls".to_owned()),
            "{notes:?}"
        );
    }

    #[test]
    fn a_leg_has_the_verdict_of_its_check() {
        let mut case = positive();
        case.expectation.legs = vec![ExpectedLeg {
            from: Hop::Egress,
            to: Hop::Ingress,
            encrypted: Protection::Mutual,
            peer: None,
        }];
        let legs = Path::of(&case).legs;
        let marked: Vec<_> = legs.iter().map(|leg| leg.verdict).collect();
        assert_eq!(marked, ["", "", "pass", "pass", "", ""]);
    }
}
