//! Which evidence would tell what the present one does not.

use meshproof_evidence::{HopLine, Logged};
use meshproof_record::{Cause, Hop, Observed};
use meshproof_sql::ClientEnd;

use super::{Client, Signs, client, probe};
use crate::words;

const WIRE: &str = "a capture on the link between the clusters, the routers' counters, or a prober that opens TLS from the same pod";

/// Where there was a capture, and it did not tell.
const PROBER: &str = "a session with TLS on the same link in the same environment, or a prober that opens TLS from the same pod";

/// The nearest first: what was lost, then what the log formats hide, then the wire.
pub(super) fn all(signs: &Signs<'_>, fits: &[Observed]) -> Vec<String> {
    if let Some(unresolved) = fits.iter().find(|fit| fit.cause == Cause::Dns) {
        let hop = words::hop(unresolved.hop);
        return vec![format!("the DNS counters of the cluster at {hop}")];
    }
    let mut needs = Vec::new();
    if signs.client.is_err() {
        needs.push("the client's own words".to_owned());
    }
    let unreadable = signs.unreadable.iter().map(|(hop, _)| *hop);
    let gone: Vec<Hop> = signs.lost.iter().copied().chain(unreadable).collect();
    needs.extend(hops("the access log of", gone));
    if !is_silent(signs) {
        needs.extend(hidden(
            signs,
            "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%",
            |line| !line.downstream_failure.in_format(),
        ));
    }
    if client::greeted(signs) == Some(true) {
        needs.extend(hidden(signs, "%CONNECTION_TERMINATION_DETAILS%", |line| {
            matches!(line.termination_details, Logged::NotInFormat)
        }));
    }
    if needs.is_empty() {
        let captured = signs.wire.is_some();
        needs.push(if captured { PROBER } else { WIRE }.to_owned());
    }
    needs
}

/// A client that waited in vain met nobody who refused it: no log has a reason for that.
fn is_silent(signs: &Signs<'_>) -> bool {
    const TIMED_OUT: i32 = 110;
    match &signs.client {
        Ok(Client::MySql { end, .. }) => {
            matches!(end, ClientEnd::Stopped | ClientEnd::NoAnswer(_))
                || end
                    .error()
                    .is_some_and(|error| error.errno == Some(TIMED_OUT))
        }
        Ok(Client::Probe(report)) => probe::waited(report),
        Ok(Client::Raw { .. }) | Err(_) => false,
    }
}

/// An operator that the format of these hops lacks.
fn hidden(signs: &Signs<'_>, operator: &str, lacks: impl Fn(&HopLine) -> bool) -> Option<String> {
    let blind = signs
        .logs
        .iter()
        .filter(|(hop, lines)| **hop != Hop::ClientSidecar && lines.iter().any(&lacks));
    let blind = blind.map(|(hop, _)| *hop).collect();
    hops(&format!("{operator} in the log format of"), blind)
}

fn hops(what: &str, mut hops: Vec<Hop>) -> Option<String> {
    hops.sort_unstable();
    hops.dedup();
    let names: Vec<String> = hops.into_iter().map(words::hop).collect();
    (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
}
