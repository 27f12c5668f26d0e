//! What the lines of all hops together tell of a refusal.

use meshproof_record::{Cause, Hop};

use crate::access_log::HopLine;
use crate::classify::{Finding, Weight, classify};
use crate::stitch::{HopLogs, PATH};

/// How the program at the start of the path opens its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It waits for the server's greeting.
    ServerFirst,
    /// It sends plain bytes at once.
    Plaintext,
    /// It sends a TLS `ClientHello`.
    Tls,
}

/// What was concluded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribution {
    /// What every hop's lines say, reasons before symptoms, in the order of the path. Findings of
    /// one refusal seen from two sides are one.
    pub findings: Vec<Finding>,
}

impl Attribution {
    /// The finding that settles the matter: one reason, one cause, contradicted by no other.
    pub fn certain(&self) -> Option<&Finding> {
        let mut reasons = self
            .findings
            .iter()
            .filter(|finding| finding.weight == Weight::Reason);
        let first = reasons.next()?;
        (first.is_certain() && reasons.next().is_none()).then_some(first)
    }
}

/// Puts together what the lines of one session's hops say. Lines of other sessions must not be
/// among them.
pub fn attribute(logs: &HopLogs, opening: Opening) -> Attribution {
    let mut findings: Vec<Finding> = Vec::new();
    for (hop, line) in PATH
        .iter()
        .flat_map(|hop| lines(logs, *hop).iter().map(|line| (*hop, line)))
    {
        let found = classify(line, hop).map(|finding| narrow(finding, hop, logs, opening));
        if let Some(finding) = found {
            merge(&mut findings, finding);
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    Attribution { findings }
}

fn lines(logs: &HopLogs, hop: Hop) -> &[HopLine] {
    logs.get(&hop).map(Vec::as_slice).unwrap_or_default()
}

/// A line without SNI leaves open whether TLS was spoken. The sender knows.
fn narrow(finding: Finding, hop: Hop, logs: &HopLogs, opening: Opening) -> Finding {
    let open = finding.causes().any(|c| c == Cause::NotTls)
        && finding.causes().any(|c| c == Cause::SniMismatch);
    if !open {
        return finding;
    }
    let before = PATH
        .iter()
        .take_while(|at| **at != hop)
        .flat_map(|at| lines(logs, *at))
        .last();
    let (cause, how) = match (before, opening) {
        (Some(line), _) if speaks_tls(line) => (Cause::SniMismatch, "the hop before it spoke TLS"),
        (Some(line), _) if speaks_plaintext(line) => {
            (Cause::NotTls, "the hop before it spoke no TLS")
        }
        (Some(_), _) | (None, Opening::ServerFirst) => return finding,
        (None, Opening::Tls) => (Cause::SniMismatch, "the sender spoke TLS"),
        (None, Opening::Plaintext) => (Cause::NotTls, "the sender spoke first, in plaintext"),
    };
    Finding {
        cause,
        also: Vec::new(),
        why: format!("{}; {how}", finding.why),
        ..finding
    }
}

fn speaks_tls(line: &HopLine) -> bool {
    line.upstream_tls_version.value().is_some()
        || line
            .upstream_failure
            .text()
            .is_some_and(|reason| reason.starts_with("TLS_error"))
}

/// Envoy takes a TLS connection for connected, and logs its local address, after the handshake.
fn speaks_plaintext(line: &HopLine) -> bool {
    line.upstream_tls_version.is_absent() && line.upstream_local.value().is_some()
}

/// Two reasons about one hop that share a cause are about one refusal: what fits both remains.
fn merge(findings: &mut Vec<Finding>, new: Finding) {
    let same = findings
        .iter_mut()
        .find(|old| old.hop == new.hop && old.weight == new.weight);
    let Some(old) = same else {
        return findings.push(new);
    };
    let shared: Vec<Cause> = new
        .causes()
        .filter(|cause| old.causes().any(|c| c == *cause))
        .collect();
    let Some((first, others)) = shared.split_first() else {
        return findings.push(new);
    };
    if old.why != new.why {
        old.why = format!("{}; {}", old.why, new.why);
    }
    old.cause = *first;
    old.also = others.to_vec();
}
