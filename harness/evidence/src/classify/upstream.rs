//! Failures that a hop logs about the connection to the hop behind it.

use meshproof_record::{Cause, Hop};

use super::certificate::{alert, verification};
use super::{Finding, name, next};
use crate::access_log::HopLine;

/// From `UPSTREAM_TRANSPORT_FAILURE_REASON`.
pub(super) fn finding(line: &HopLine, hop: Hop) -> Option<Finding> {
    let logged = line.upstream_failure.text()?;
    let reason = logged.to_ascii_lowercase();
    let why = || format!("{} logged of its upstream: {logged}", name(hop));
    if reason.contains("secret_is_not_supplied") {
        return Some(Finding::reason(hop, Cause::SecretMissing, why()));
    }
    if let Some((cause, also)) = verification(&reason) {
        return Some(Finding::reason(hop, cause, why()).or(also));
    }
    if let Some((cause, also)) = alert(&reason) {
        return Some(Finding::reason(next(line, hop), cause, why()).or(also));
    }
    if reason.contains("wrong_version_number") {
        return Some(Finding::reason(hop, Cause::TlsToPlaintext, why()));
    }
    if reason.contains("unsupported_protocol") {
        return Some(Finding::reason(hop, Cause::ProtocolVersion, why()));
    }
    Some(dialling(line, &reason, hop, why))
}

/// The connection was not made, or cut before it could be used.
fn dialling(line: &HopLine, reason: &str, hop: Hop, why: impl Fn() -> String) -> Finding {
    if reason.contains("tls_error") || reason.contains("reset") {
        return Finding::symptom(next(line, hop), why());
    }
    // Old releases log the number: ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EHOSTUNREACH of Linux.
    let errno = |number: &str| reason.contains("connect_error") && reason.ends_with(number);
    if reason.contains("refused") || errno(":_111") {
        return refused(next(line, hop), hop, why());
    }
    let unanswered = ["timed_out", "timeout", "unreachable", "no_route"]
        .iter()
        .any(|text| reason.contains(text));
    if unanswered || [":_110", ":_101", ":_113"].into_iter().any(errno) {
        return match hop {
            Hop::Egress => {
                Finding::reason(Hop::Network, Cause::Dropped, why()).or(&[Cause::NoEndpoint])
            }
            _ => Finding::reason(next(line, hop), Cause::NoEndpoint, why()).or(&[Cause::Dropped]),
        };
    }
    Finding::symptom(next(line, hop), why())
}

/// Nothing listens at the next hop.
fn refused(to: Hop, hop: Hop, why: String) -> Finding {
    match (hop, to) {
        (Hop::ServerSidecar, _) => Finding::reason(Hop::Mysqld, Cause::ServerDown, why),
        // A sidecar captures every port, so a refusal comes from a pod that has none.
        (Hop::Ingress, _) => {
            Finding::reason(Hop::Mysqld, Cause::ServerDown, why).or(&[Cause::NoListener])
        }
        (_, Hop::Network) => Finding::reason(to, Cause::Refused, why).or(&[Cause::NoListener]),
        (Hop::ClientSidecar | Hop::Egress, _) => Finding::reason(to, Cause::NoListener, why),
        _ => Finding::reason(to, Cause::Refused, why),
    }
}
