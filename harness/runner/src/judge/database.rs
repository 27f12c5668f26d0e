//! What the database has to show.

use meshproof_record::{ExpectedDatabase, Outcome};

use super::checks::Checks;
use super::counters::{CONNECTIONS, QUESTIONS, grown};
use super::facts::Facts;
use super::source;

pub(super) fn check(facts: &Facts<'_>, expected: &ExpectedDatabase, checks: &mut Checks) {
    match expected {
        ExpectedDatabase::Nothing => nothing(facts, checks),
        ExpectedDatabase::Rows { query, equal } => rows(facts, query, equal, checks),
    }
}

fn rows(facts: &Facts<'_>, query: &str, equal: &[Vec<String>], checks: &mut Checks) {
    let what = format!("row on the server's side: {query}");
    match facts
        .case
        .evidence
        .database
        .as_ref()
        .and_then(|database| database.rows.as_ref())
    {
        None => checks.unknown(what, facts.why_missing(source::ROWS)),
        Some(found) => checks.expect(found == equal, what, rows_words(found, equal)),
    }
}

pub(super) fn rows_words(found: &[Vec<String>], expected: &[Vec<String>]) -> String {
    if found == expected {
        format!("{found:?}")
    } else {
        format!("found {found:?}, expected {expected:?}")
    }
}

fn nothing(facts: &Facts<'_>, checks: &mut Checks) {
    const WHAT: &str = "nothing reached the database";
    let Some(database) = &facts.case.evidence.database else {
        return checks.unknown(WHAT, facts.why_missing(source::DATABASE));
    };
    let (statements, connections) = match (grown(database, QUESTIONS), grown(database, CONNECTIONS))
    {
        (Ok(statements), Ok(connections)) => (statements, connections),
        (Err(why), _) | (_, Err(why)) => return checks.unknown(WHAT, why),
    };
    if statements > 0 {
        let detail = format!(
            "{statements} statements in {connections} new connections, beside the harness's own"
        );
        return if facts.case.expectation.outcome == Outcome::Connected {
            checks.fail(WHAT, detail);
        } else {
            checks.breach(WHAT, detail);
        };
    }
    // Envoy dials the database before the handshake with its own client has ended: a connection
    // without a statement is reported and is no session.
    let detail = match connections {
        0 => "no connection and no statement".to_owned(),
        count => format!(
            "no statement; {count} connections without one (a proxy dials before it refuses)"
        ),
    };
    checks.pass(WHAT, detail);
}
