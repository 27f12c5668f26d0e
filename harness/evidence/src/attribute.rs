//! What the lines of all hops together tell of a refusal.

use meshproof_record::{Cause, Hop};

use crate::access_log::HopLine;
use crate::classify::{Finding, Weight, classify, name, next, previous};
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
/// among them. The hops in `lost` may have logged more than is known.
pub fn attribute(logs: &HopLogs, lost: &[Hop], opening: Opening) -> Attribution {
    let mut found = Attribution::default();
    for (hop, line) in PATH
        .iter()
        .flat_map(|hop| lines(logs, *hop).iter().map(|line| (*hop, line)))
    {
        if let Some(finding) = classify(line, hop) {
            let sender = sender(logs, lost, hop, opening);
            let finding = narrow(about(finding, hop, sender), hop, sender);
            found.add(finding);
        }
    }
    let told = |finding: &Finding| finding.weight == Weight::Reason;
    if !found.findings.iter().any(told)
        && let Some(finding) = plaintext_receiver(logs).or_else(|| passed_on(logs, lost, opening))
    {
        found.add(finding);
    }
    found
}

/// TLS sent to a hop that takes none passes it as if it were the client's bytes, and the database hangs up.
/// Whether the sender then reads the database's greeting, which is no TLS, or a reset, is a race.
fn plaintext_receiver(logs: &HopLogs) -> Option<Finding> {
    PATH.windows(2).find_map(|pair| {
        let [at, to] = pair else { return None };
        let (sender, receiver) = (lines(logs, *at).last()?, lines(logs, *to).last()?);
        let failed = sender.has_flag("UF") && speaks_tls(sender);
        let bytes = receiver.passed_on_in_clear()?;
        (failed && next(sender, *at) == *to).then(|| {
            let (at_name, to_name) = (name(*at), name(*to));
            let why = format!(
                "{at_name} spoke TLS, and {to_name} took {bytes} bytes without TLS and passed them on"
            );
            Finding::reason(*at, Cause::TlsToPlaintext, why)
        })
    })
}

/// The same where the program itself speaks TLS: the first hop passes it on, and the database hangs up.
fn passed_on(logs: &HopLogs, lost: &[Hop], opening: Opening) -> Option<Finding> {
    let (at, line) = PATH
        .iter()
        .find_map(|hop| lines(logs, *hop).last().map(|line| (*hop, line)))?;
    let tls = matches!(
        sender(logs, lost, at, opening),
        Sender::Program(Opening::Tls)
    );
    let bytes = line.passed_on_in_clear()?;
    (tls && line.has_flag("UR")).then(|| {
        let at = name(at);
        let why = format!(
            "the client spoke TLS, and {at} took {bytes} bytes without TLS and passed them on to who hung up"
        );
        Finding::reason(Hop::Client, Cause::TlsToPlaintext, why)
    })
}

impl Attribution {
    /// Adds what something else than a proxy's line says.
    pub fn add(&mut self, finding: Finding) {
        merge(&mut self.findings, finding);
        self.findings
            .sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    }
}

fn lines(logs: &HopLogs, hop: Hop) -> &[HopLine] {
    logs.get(&hop).map(Vec::as_slice).unwrap_or_default()
}

/// Who opened the connection that a hop received.
#[derive(Clone, Copy)]
enum Sender<'a> {
    /// The proxy that logged this.
    Proxy(Hop, &'a HopLine),
    /// The program at the start of the path.
    Program(Opening),
    /// A log is missing that would tell, or the one before went elsewhere.
    Unknown,
}

fn sender<'a>(logs: &'a HopLogs, lost: &[Hop], hop: Hop, opening: Opening) -> Sender<'a> {
    let here = PATH.iter().position(|at| *at == hop).unwrap_or_default();
    for at in PATH[..here].iter().rev() {
        if lost.contains(at) {
            return Sender::Unknown;
        }
        if let Some(line) = lines(logs, *at).last() {
            return if next(line, *at) == hop {
                Sender::Proxy(*at, line)
            } else {
                Sender::Unknown
            };
        }
    }
    Sender::Program(opening)
}

/// A receiver's line may tell of its sender's refusal. It does not name the sender.
fn about(finding: Finding, at: Hop, sender: Sender<'_>) -> Finding {
    if finding.hop != previous(at) {
        return finding;
    }
    match sender {
        Sender::Proxy(hop, _) => Finding { hop, ..finding },
        Sender::Program(Opening::Tls) => Finding {
            hop: Hop::Client,
            ..finding
        },
        Sender::Program(_) | Sender::Unknown => Finding::symptom(finding.hop, finding.why),
    }
}

/// A line without SNI leaves open whether TLS was spoken. The sender knows.
fn narrow(finding: Finding, at: Hop, sender: Sender<'_>) -> Finding {
    let open = finding.hop == at
        && finding.causes().any(|c| c == Cause::NotTls)
        && finding.causes().any(|c| c == Cause::SniMismatch);
    if !open {
        return finding;
    }
    let (cause, how) = match sender {
        Sender::Proxy(_, line) if speaks_tls(line) => {
            (Cause::SniMismatch, "the hop before it spoke TLS")
        }
        Sender::Proxy(_, line) if speaks_plaintext(line) => {
            (Cause::NotTls, "the hop before it spoke no TLS")
        }
        Sender::Program(Opening::Tls) => (Cause::SniMismatch, "the sender spoke TLS"),
        Sender::Program(Opening::Plaintext) => {
            (Cause::NotTls, "the sender spoke first, in plaintext")
        }
        Sender::Proxy(..) | Sender::Program(Opening::ServerFirst) | Sender::Unknown => {
            return finding;
        }
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
