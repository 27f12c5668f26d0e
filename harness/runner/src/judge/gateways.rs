//! What crossed the link between the clusters by the word of the gateways at its ends, where nobody can capture.
//!
//! A gateway knows what it took: whether it ended TLS, and how many bytes came out of it or in clear. It does not
//! know what went past it, and the check says so.

use meshproof_evidence::HopLine;
use meshproof_evidence::leg::{Shown, prove};
use meshproof_record::Hop;

use super::checks::Checks;
use super::facts::Facts;
use super::source;
use crate::words;

/// What such a check leaves open.
const OPEN: &str = "the link itself was not captured, as this provider has no place for it";

/// Every session that the ingress took came in TLS, and, where one got through, there was one.
pub(super) fn secret(facts: &Facts<'_>, connected: bool, title: &str, checks: &mut Checks) {
    let lines = match ingress(facts) {
        Ok(lines) => lines,
        Err(why) => return checks.unknown(title, format!("{why}; {OPEN}")),
    };
    let who = words::hop(Hop::Ingress);
    if let Some(bytes) = lines.iter().find_map(HopLine::passed_on_in_clear) {
        return checks.fail(title, format!("{who} took {bytes} bytes without TLS"));
    }
    if !connected {
        return checks.pass(title, format!("{who} took nothing in clear; {OPEN}"));
    }
    let mut shown = Err(format!("{who} logged no session"));
    for line in lines {
        match prove(Hop::Egress, Hop::Ingress, line).encrypted {
            Shown::Yes(tls) => shown = Ok(tls),
            Shown::No(why) => return checks.fail(title, why),
            Shown::Unknown(why) => return checks.unknown(title, format!("{why}; {OPEN}")),
        }
    }
    match shown {
        Ok(tls) => checks.pass(title, format!("{who} took it in {tls}; {OPEN}")),
        Err(why) => checks.unknown(title, format!("{why}; {OPEN}")),
    }
}

/// The ingress logged no connection.
pub(super) fn nothing(facts: &Facts<'_>, title: &str, checks: &mut Checks) {
    let who = words::hop(Hop::Ingress);
    match ingress(facts) {
        Err(why) => checks.unknown(title, format!("{why}; {OPEN}")),
        Ok([]) => checks.pass(title, format!("{who} logged no connection; {OPEN}")),
        Ok(lines) => {
            let bytes = |line: &HopLine| line.bytes_received.value().copied();
            let received: u64 = lines.iter().filter_map(bytes).sum();
            let detail = format!("{who} took {received} bytes in {} connections", lines.len());
            if received > 0 {
                checks.fail(title, detail);
            } else {
                checks.unknown(title, format!("{detail}; {OPEN}"));
            }
        }
    }
}

/// Lines of the ingress gateway in this case.
fn ingress<'f>(facts: &'f Facts<'_>) -> Result<&'f [HopLine], String> {
    let source = source::log(Hop::Ingress);
    if facts.is_missing(&source) {
        return Err(facts.why_missing(&source));
    }
    if let Some((_, why)) = facts
        .unreadable
        .iter()
        .find(|(hop, _)| *hop == Hop::Ingress)
    {
        return Err(why.clone());
    }
    let lines = facts.logs.get(&Hop::Ingress);
    let lines = lines.ok_or_else(|| format!("there is no log of {}", words::hop(Hop::Ingress)))?;
    Ok(lines)
}
