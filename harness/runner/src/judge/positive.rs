//! What a case that must connect has to show.

use meshproof_record::{ExpectedDatabase, Outcome, ProbeReport, Protection};
use meshproof_sql::ClientEnd;

use super::checks::Checks;
use super::facts::Facts;
use super::{continuous, database, path, source, wire};
use crate::attribution::{said, settled};

pub(super) fn check(facts: &Facts<'_>, checks: &mut Checks) {
    resolution(facts, checks);
    client(facts, checks);
    path::check(facts, checks);
    continuous::check(facts, checks);
    wire::check(facts, checks);
    if let Some(expected) = &facts.case.expectation.database {
        database::check(facts, expected, checks);
    }
}

/// What a pass has proven, for readers.
pub(super) fn proven(facts: &Facts<'_>) -> String {
    let expected = &facts.case.expectation;
    let mut words = vec!["the session went through".to_owned()];
    let mutual = expected
        .legs
        .iter()
        .filter(|leg| leg.encrypted == Protection::Mutual)
        .count();
    if mutual > 0 {
        words.push(format!(
            "{mutual} legs encrypted and mutually authenticated"
        ));
    }
    if !expected.path.is_empty() {
        words.push(format!("{} hops as declared", expected.path.len()));
    }
    if matches!(expected.database, Some(ExpectedDatabase::Rows { .. })) {
        words.push("the row is in the database".to_owned());
    }
    words.join(", ")
}

pub(super) fn resolution(facts: &Facts<'_>, checks: &mut Checks) {
    let Some(expected) = facts.case.expectation.resolves else {
        return;
    };
    let Some(found) = &facts.case.evidence.resolution else {
        return checks.unknown("name resolves", facts.why_missing(source::RESOLUTION));
    };
    let detail = match found.addresses.as_slice() {
        [] => format!("{} does not resolve in the client's pod", found.name),
        addresses => format!("{} is {}", found.name, addresses.join(", ")),
    };
    let what = if expected {
        "name resolves"
    } else {
        "name does not resolve"
    };
    checks.expect(found.addresses.is_empty() != expected, what, detail);
}

fn client(facts: &Facts<'_>, checks: &mut Checks) {
    let Some(client) = &facts.case.evidence.client else {
        return checks.unknown("client connects", facts.why_missing(source::CLIENT));
    };
    if let Some(probe) = &facts.probe {
        return probed(facts, probe, checks);
    }
    match &facts.end {
        Some(ClientEnd::Connected) => checks.pass(
            "client connects",
            format!("it ended without an error after {:.3} s", client.seconds),
        ),
        Some(ClientEnd::Stopped) | None => {
            checks.unknown(
                "client connects",
                client
                    .stopped
                    .clone()
                    .unwrap_or_else(|| "it was stopped".to_owned()),
            );
        }
        Some(ClientEnd::Unreadable { exit, last_line }) => {
            checks.unknown(
                "client connects",
                format!(
                    "it ended with exit code {exit} and no error of a known client: {last_line}"
                ),
            );
        }
        Some(end) => {
            let message = end.error().map_or("", |error| error.message.as_str());
            refused(facts, "client connects", message, checks);
        }
    }
    if matches!(facts.end, Some(ClientEnd::Connected)) {
        output(facts, checks);
    }
}

/// The client did not get through, or not to its end.
fn refused(facts: &Facts<'_>, what: &str, said: &str, checks: &mut Checks) {
    match facts.unsettled() {
        Some(why) => checks.void(what, format!("{said}; {why}")),
        None => checks.fail(what, format!("{said}{}", who(facts))),
    }
}

/// Who refused, for a message.
fn who(facts: &Facts<'_>) -> String {
    let attribution = super::observed::observe(facts);
    attribution.observed.map_or_else(String::new, |observed| {
        let clocks = super::observed::clocks(observed);
        let observed = crate::words::observed(observed);
        format!("; {observed}: {}{clocks}", attribution.how)
    })
}

/// The prober got through where the database's greeting reached it the way that it asked for.
fn probed(facts: &Facts<'_>, probe: &Result<ProbeReport, String>, checks: &mut Checks) {
    const WHAT: &str = "prober connects";
    match probe {
        Err(why) => checks.unknown(WHAT, why.as_str()),
        Ok(report) => {
            let words = said(report);
            if settled(report).is_some_and(|found| found.outcome == Outcome::Connected) {
                checks.pass(WHAT, words);
            } else {
                refused(facts, WHAT, &words, checks);
            }
        }
    }
}

/// Rows, and that the client's own TLS was off: with it on, a plaintext leg would look encrypted.
fn output(facts: &Facts<'_>, checks: &mut Checks) {
    let (cipher, rows) = match facts.output() {
        Some(Ok(output)) => output,
        Some(Err(why)) => return checks.unknown("client's output", why),
        None => return,
    };
    if facts.case.expectation.own_tls {
        own_tls(cipher.as_deref(), checks);
    } else {
        own_tls_is_off(cipher.as_deref(), checks);
    }
    if let Some(expected) = &facts.case.expectation.rows {
        checks.expect(
            rows == *expected,
            "rows",
            database::rows_words(&rows, expected),
        );
    }
}

fn own_tls(cipher: Option<&str>, checks: &mut Checks) {
    const WHAT: &str = "the session has TLS of MySQL's own";
    match cipher {
        Some("") => checks.fail(WHAT, "Ssl_cipher is empty in its session"),
        Some(cipher) => checks.pass(WHAT, format!("its session uses {cipher}")),
        None => checks.unknown(WHAT, "the session did not print Ssl_cipher"),
    }
}

fn own_tls_is_off(cipher: Option<&str>, checks: &mut Checks) {
    match cipher {
        Some("") => checks.pass("client's own TLS is off", "Ssl_cipher is empty in its session"),
        Some(cipher) => checks.unknown(
            "client's own TLS is off",
            format!("its session uses {cipher}: what looks encrypted may be MySQL's own TLS inside a plaintext leg"),
        ),
        None => checks.unknown("client's own TLS is off", "the session did not print Ssl_cipher"),
    }
}
