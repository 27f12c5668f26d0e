//! A database that takes connections and never greets.

use std::time::Duration;

use meshproof_evidence::HopLine;
use meshproof_record::{Cause, Hop, Observed, Outcome, ProbeEnd};
use meshproof_sql::ClientEnd;

use super::{Claim, Client, Signs};

/// The client waited in vain on a connection that stood, and the database's sidecar has one that it had
/// made to the database and that stood for most of that time, over which not a byte came back. A client
/// that a proxy rejects may leave such a line too, but it does not wait, and its line is of moments.
pub(super) fn claim(signs: &Signs<'_>) -> Option<Claim> {
    let waited = waited(signs.client.as_ref().ok()?)?;
    let lines = signs.logs.get(&Hop::ServerSidecar)?;
    // It is made behind three proxies: later than the client's own.
    let mute = lines.iter().find(|line| is_mute(line, waited / 2))?;
    let at = mute.upstream_host.value()?;
    let how = format!(
        "server-sidecar was connected to the database at {at}, which sent nothing, and the client waited in vain"
    );
    let observed = Observed {
        outcome: Outcome::Unreachable,
        hop: Hop::Mysqld,
        cause: Cause::NoGreeting,
    };
    Some(Claim::new(observed, "logs", how))
}

/// How long the client waited for a greeting on a connection that stood, at least.
fn waited(client: &Client) -> Option<Duration> {
    /// The MySQL client's timeout is of whole seconds.
    const TIMEOUT: Duration = Duration::from_secs(1);
    const TIMED_OUT: i32 = 110;
    match client {
        Client::MySql {
            end: ClientEnd::NoGreeting(error),
            ..
        } => (error.errno == Some(TIMED_OUT)).then_some(TIMEOUT),
        Client::Probe(report) => {
            let opened = report.tls.as_ref().is_none_or(|tls| tls.finished);
            let vain = report.end == ProbeEnd::Held && report.first_bytes.is_none();
            (opened && vain).then(|| Duration::from_millis(report.hold_ms))
        }
        Client::MySql { .. } | Client::Raw { .. } => None,
    }
}

fn is_mute(line: &HopLine, waited: Duration) -> bool {
    line.flags.is_empty()
        && line.upstream_failure.value().is_none()
        && line.upstream_local.value().is_some()
        && line.bytes_sent.value() == Some(&0)
        && line.duration.value().is_some_and(|stood| *stood >= waited)
}
