//! What a case that must be refused has to show.

use meshproof_evidence::HopLine;
use meshproof_record::{Cause, ClientEvidence, Hop, Observed, Outcome, ProbeReport, Status};
use meshproof_sql::{ClientEnd, FirstPacket};

use super::checks::Checks;
use super::facts::{Facts, end_of};
use super::observed::clocks;
use super::{database, positive, source, wire};
use crate::attribution::{Attribution, said};
use crate::words;

pub(super) fn check(
    facts: &Facts<'_>,
    control: Option<Status>,
    seen: &Attribution,
    checks: &mut Checks,
) {
    check_control(facts, control, checks);
    check_control_after(facts, checks);
    if let Some(why) = facts.unsettled() {
        checks.void("the surroundings stay as they are", why);
    }
    positive::resolution(facts, checks);
    nothing_came_back(facts, checks);
    right_reason(facts, seen, checks);
    wire::check(facts, checks);
    if let Some(expected) = &facts.case.expectation.database {
        database::check(facts, expected, checks);
    }
}

/// What a pass has proven, for readers.
pub(super) fn proven(facts: &Facts<'_>) -> String {
    let seen = super::observed::observe(facts);
    let who = seen.observed.map_or_else(String::new, |observed| {
        format!("{} ({})", words::observed(observed), seen.how)
    });
    format!("{who}; {}", came_through(facts))
}

/// What reached a client in the end. Some refuse behind the greeting.
fn came_through(facts: &Facts<'_>) -> &'static str {
    let evidence = &facts.case.evidence;
    let client = |client: &ClientEvidence| end_of(client).greeted() == Some(true);
    let greeted = match &facts.probe {
        Some(probe) => probe.as_ref().is_ok_and(ProbeReport::greeted),
        // How a program ends that only sends bytes says nothing; what it received does.
        None if facts.speaks_first() => {
            let first = evidence.client.as_ref();
            first.is_some_and(|first| FirstPacket::read(&first.stdout).is_some())
                || evidence.waiting_client.as_ref().is_some_and(client)
        }
        None => evidence.client.as_ref().is_some_and(client),
    };
    if greeted {
        "nothing got through but the database's greeting"
    } else {
        "nothing got through"
    }
}

fn check_control(facts: &Facts<'_>, control: Option<Status>, checks: &mut Checks) {
    let name = facts.case.control.as_deref().unwrap_or("(none named)");
    let what = format!("control {name}");
    match control {
        Some(Status::Pass) => checks.pass(what, "passed before, in the same environment"),
        Some(status) => checks.void(
            what,
            format!(
                "did not pass but is {}: a broken path refuses too",
                words::status(status)
            ),
        ),
        None => checks.void(what, "was not run: without it a refusal proves nothing"),
    }
}

/// Where the case asked for its control once more: what broke during the case refuses too.
fn check_control_after(facts: &Facts<'_>, checks: &mut Checks) {
    let Some(status) = facts.case.evidence.control_after else {
        return;
    };
    let name = facts.case.control.as_deref().unwrap_or("(none named)");
    let what = format!("control {name} after the case");
    if status == Status::Pass {
        checks.pass(what, "passed again, in the same environment");
    } else {
        checks.void(
            what,
            format!(
                "did not pass again but is {}: something broke that would refuse too",
                words::status(status)
            ),
        );
    }
}

/// Neither a greeting nor a row may reach a client, except where the database itself refuses.
fn nothing_came_back(facts: &Facts<'_>, checks: &mut Checks) {
    let Some(client) = &facts.case.evidence.client else {
        return checks.unknown("nothing came back", facts.why_missing(source::CLIENT));
    };
    if let Some(probe) = &facts.probe {
        probed(facts, probe, checks);
    } else if facts.speaks_first() {
        bytes_back(client, checks);
        match &facts.case.evidence.waiting_client {
            Some(waiting) => greeting(facts, waiting, "waiting client gets no greeting", checks),
            None => checks.unknown(
                "waiting client gets no greeting",
                facts.why_missing(source::WAITING_CLIENT),
            ),
        }
    } else {
        greeting(facts, client, "client gets no greeting", checks);
    }
}

fn bytes_back(client: &ClientEvidence, checks: &mut Checks) {
    const WHAT: &str = "client that speaks first gets nothing";
    match client.received_bytes {
        None => {
            let stopped = client.stopped.clone();
            let failed = || format!("it failed: {}", client.stderr.trim());
            checks.unknown(WHAT, stopped.unwrap_or_else(failed));
        }
        Some(0) => checks.pass(WHAT, "0 bytes came back"),
        Some(count) if FirstPacket::read(&client.stdout).is_some() => {
            checks.breach(WHAT, format!("{count} bytes came back, they are MySQL's"));
        }
        Some(count) => checks.pass(
            WHAT,
            format!(
                "{count} bytes came back, no MySQL greeting: {}",
                client.stdout.trim()
            ),
        ),
    }
}

/// What the prober got. Without its report nothing is known.
fn probed(facts: &Facts<'_>, probe: &Result<ProbeReport, String>, checks: &mut Checks) {
    const WHAT: &str = "prober gets no greeting";
    match probe {
        Err(why) => checks.unknown(WHAT, why.as_str()),
        Ok(report) if report.greeted() && may_be_greeted(facts) => checks.pass(
            WHAT,
            format!("the greeting may reach it here: {}", said(report)),
        ),
        Ok(report) if report.greeted() => checks.breach(WHAT, said(report)),
        Ok(report) => checks.pass(WHAT, said(report)),
    }
}

/// Whether whoever must refuse does so behind the greeting. A client that speaks TLS ends by itself at
/// one in clear.
fn may_be_greeted(facts: &Facts<'_>) -> bool {
    let (hop, cause) = (facts.case.expectation.hop, facts.case.expectation.cause);
    hop == Some(Hop::Mysqld)
        || cause == Some(Cause::PolicyDenied)
        || hop == Some(Hop::Client) && cause == Some(Cause::TlsToPlaintext)
}

fn greeting(facts: &Facts<'_>, client: &ClientEvidence, what: &str, checks: &mut Checks) {
    let end = end_of(client);
    let after_greeting = may_be_greeted(facts);
    let words = end.error().map_or("", |error| error.message.as_str());
    match (&end, end.greeted()) {
        (ClientEnd::Connected | ClientEnd::StatementFailed(_) | ClientEnd::LostInSession(_), _) => {
            checks.breach(what, format!("it had a session with the database {words}"));
        }
        (_, Some(true)) if after_greeting => checks.pass(
            what,
            format!("the greeting may reach it here; then: {words}"),
        ),
        (_, Some(true)) => {
            checks.breach(what, format!("the database's greeting reached it: {words}"));
        }
        (_, Some(false)) => checks.pass(what, words),
        (ClientEnd::Stopped, None) if client.stdout.is_empty() && client.stderr.is_empty() => {
            checks.pass(
                what,
                client
                    .stopped
                    .clone()
                    .unwrap_or_else(|| "it was stopped in silence".to_owned()),
            );
        }
        (ClientEnd::Unreadable { exit, last_line }, None) => {
            checks.unknown(
                what,
                format!(
                    "it ended with exit code {exit} and no error of a known client: {last_line}"
                ),
            );
        }
        (_, None) => checks.unknown(
            what,
            format!("its words leave that open: {words}{}", client.stderr.trim()),
        ),
    }
}

/// Refused by whom it must be, for the reason it must be.
fn right_reason(facts: &Facts<'_>, seen: &Attribution, checks: &mut Checks) {
    let expected = &facts.case.expectation;
    let title = match (expected.hop, expected.cause) {
        (Some(hop), Some(cause)) => format!(
            "{} at {} for {}",
            words::outcome(expected.outcome),
            words::hop(hop),
            words::cause(cause)
        ),
        (Some(hop), None) => format!(
            "{} at {}",
            words::outcome(expected.outcome),
            words::hop(hop)
        ),
        (None, _) => words::outcome(expected.outcome),
    };
    let fits = |found: &Observed| {
        found.outcome == expected.outcome
            && expected.hop.is_none_or(|hop| hop == found.hop)
            && expected.cause.is_none_or(|cause| cause == found.cause)
    };
    if expected.cause == Some(Cause::ProtocolVersion)
        && let Some(version) = agreed(facts)
    {
        return checks.fail(title, format!("the server chose TLS {version}"));
    }
    if expected.cause == Some(Cause::NotTls)
        && let Some(hop) = expected.hop
        && let Some(passed) = passed_on(facts, hop)
    {
        return checks.fail(title, format!("{} {passed}", words::hop(hop)));
    }
    let how = seen.how.as_str();
    match &seen.observed {
        Some(found) if found.outcome == Outcome::Connected => checks.breach(title, how),
        Some(found) if fits(found) => checks.pass(title, how),
        Some(found) => {
            let clocks = clocks(*found);
            let found = words::observed(*found);
            checks.fail(title, format!("found {found}: {how}{clocks}"));
        }
        None if seen.fits.is_empty() || seen.fits.iter().any(fits) => {
            checks.unknown(title, with_needs(how, &seen.needs));
        }
        None => {
            let found: Vec<String> = seen.fits.iter().copied().map(words::observed).collect();
            checks.fail(title, format!("found {}: {how}", found.join(", or ")));
        }
    }
}

/// The version that the server chose of those the prober offered: it found none wanting.
fn agreed<'a>(facts: &'a Facts<'_>) -> Option<&'a str> {
    let report = facts.probe.as_ref()?.as_ref().ok()?;
    report.tls.as_ref()?.version.as_deref()
}

/// Bytes that a hop took which must take none but in TLS, or TLS of which must not be accepted. What the
/// database does with them is a race: its greeting may be lost to a reset.
fn passed_on(facts: &Facts<'_>, hop: Hop) -> Option<String> {
    let lines = facts.logs.get(&hop)?;
    let passed = |line: &HopLine| {
        let (bytes, how) = match line.passed_on_in_clear() {
            Some(bytes) => (bytes, "without TLS"),
            None => (line.passed_on_out_of_tls()?, "in TLS"),
        };
        Some(format!("took {bytes} bytes {how} and passed them on"))
    };
    lines.iter().find_map(passed)
}

/// What is known, and which evidence would tell the rest.
fn with_needs(how: &str, needs: &[String]) -> String {
    if needs.is_empty() {
        how.to_owned()
    } else {
        format!("{how}; to tell, it needs {}", needs.join(", and "))
    }
}
