//! Refusals that a hop logs about the connection from the hop before it.

use meshproof_record::{Cause, Hop};

use super::certificate::{alert, verification};
use super::{Finding, name, previous};
use crate::access_log::HopLine;

/// From `DOWNSTREAM_TRANSPORT_FAILURE_REASON`, which only longer formats have.
pub(super) fn finding(line: &HopLine, hop: Hop) -> Option<Finding> {
    let logged = line.downstream_failure.text()?;
    let reason = logged.to_ascii_lowercase();
    let why = || format!("{} logged of its downstream: {logged}", name(hop));
    if reason.contains("peer_did_not_return_a_certificate") {
        return Some(Finding::reason(hop, Cause::NoClientCertificate, why()));
    }
    if reason.contains("secret_is_not_supplied") {
        return Some(Finding::reason(hop, Cause::SecretMissing, why()));
    }
    if let Some((cause, also)) = verification(&reason) {
        return Some(Finding::reason(hop, cause, why()).or(also));
    }
    if let Some((cause, also)) = alert(&reason) {
        return Some(Finding::reason(previous(hop), cause, why()).or(also));
    }
    if is_not_tls(&reason) {
        return Some(Finding::reason(hop, Cause::NotTls, why()));
    }
    if [
        "unsupported_protocol",
        "no_shared_cipher",
        "version_too_low",
    ]
    .iter()
    .any(|text| reason.contains(text))
    {
        return Some(Finding::reason(hop, Cause::ProtocolVersion, why()));
    }
    // Resets and broken pipes are the end of somebody else's refusal.
    None
}

/// Words of BoringSSL for bytes that are no TLS record. A request line of HTTP has a code of its own.
fn is_not_tls(reason: &str) -> bool {
    [
        "http_request",
        "https_proxy_request",
        "wrong_version_number",
    ]
    .iter()
    .any(|text| reason.contains(text))
}
