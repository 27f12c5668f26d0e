//! What the proxies say, and the alerts that a TLS client received or that crossed the link in clear.

use meshproof_evidence::classify::{Finding, Weight};
use meshproof_evidence::{Address, Attribution as Findings, HopLine, attribute, probe_finding};
use meshproof_record::{Cause, Hop, Observed, Outcome};

use super::{Claim, Client, Shown, Signs, client};
use crate::words;

/// Who may answer a client that has no sidecar.
pub(super) const GATES: [Hop; 3] = [Hop::Egress, Hop::Ingress, Hop::ServerSidecar];

/// What every hop's lines and all alerts say.
pub(super) fn findings(signs: &Signs<'_>) -> Findings {
    let mut found = attribute(signs.logs, &signs.lost, signs.opening);
    let heard = match &signs.client {
        Ok(Client::Raw { tls: Some(tls), .. }) => peer(signs).and_then(|peer| tls.finding(peer)),
        Ok(Client::Probe(report)) => probe_finding(report, peer(signs)),
        _ => None,
    };
    if let Some(finding) = heard {
        found.add(finding);
    }
    for finding in super::wire::findings(signs) {
        found.add(finding);
    }
    found
}

/// Who the client speaks TLS to: the hop that it addressed, else the first that logged it. With a
/// sidecar it may be anybody at the end of a tunnel; where it is not known whether there is one, a line
/// of it tells.
fn peer(signs: &Signs<'_>) -> Option<Hop> {
    let tunnel = || {
        let lines = signs.logs.get(&Hop::ClientSidecar);
        lines.map(|lines| !lines.is_empty())
    };
    let first = logged(signs);
    match (signs.sidecar.or_else(tunnel), signs.peer) {
        (Some(true), _) => None,
        (_, Some(peer)) if first.is_some_and(|first| first < peer) => None,
        (_, Some(peer)) => Some(peer),
        (_, None) if signs.lost.is_empty() => first,
        (_, None) => None,
    }
}

/// Who logged the client's connection, the first on the path. Where lines may be of other sessions, only
/// one who alone took connections at the port that the prober dialled.
fn logged(signs: &Signs<'_>) -> Option<Hop> {
    let lines = |hop: &Hop| signs.logs.get(hop).map(Vec::as_slice).unwrap_or_default();
    let Ok(Client::Probe(report)) = &signs.client else {
        return GATES.into_iter().find(|hop| !lines(hop).is_empty());
    };
    let dialled = |line: &HopLine| {
        let local = line.downstream_local.value().and_then(Address::port);
        local == Some(report.port)
    };
    let mut all = GATES.into_iter().filter(|hop| {
        let mut lines = lines(hop).iter();
        lines.any(|line| signs.alone || dialled(line))
    });
    let first = all.next()?;
    (signs.alone || all.next().is_none()).then_some(first)
}

pub(super) fn claim(found: &Findings) -> Option<Claim> {
    let finding = found.certain()?;
    Some(Claim::new(
        observed(finding.hop, finding.cause),
        "logs",
        finding.why.clone(),
    ))
}

/// A proxy that found nobody behind it refused nothing: there was nobody to reach.
fn observed(hop: Hop, cause: Cause) -> Observed {
    let outcome = match cause {
        Cause::NoEndpoint | Cause::Dropped => Outcome::Unreachable,
        _ => Outcome::Refused,
    };
    Observed {
        outcome,
        hop,
        cause,
    }
}

pub(super) fn shown(finding: &Finding) -> Shown {
    let source = match finding.weight {
        Weight::Reason => "cause",
        Weight::Symptom => "effect",
    };
    Shown::new(source, finding.why.clone())
}

/// What is the matter where nothing is certain, and what the evidence leaves.
pub(super) fn open(signs: &Signs<'_>, found: &Findings) -> (String, Vec<Observed>) {
    if let Some((hop, why)) = signs.unreadable.first() {
        let hop = words::hop(*hop);
        return (format!("the log of {hop} cannot be read: {why}"), vec![]);
    }
    if found.findings.is_empty() {
        return super::wire::open(signs)
            .or_else(|| client::refused_tcp(signs))
            .unwrap_or_else(|| (nothing(signs), Vec::new()));
    }
    // Effects beside it are of the same refusal: reasons that differ have been told before.
    let reason = found.findings.iter().find(|f| f.weight == Weight::Reason);
    (several(found), reason.map(fitting).unwrap_or_default())
}

fn fitting(finding: &Finding) -> Vec<Observed> {
    let causes = finding.causes();
    causes.map(|cause| observed(finding.hop, cause)).collect()
}

fn several(found: &Findings) -> String {
    let told: Vec<String> = found
        .findings
        .iter()
        .map(|finding| {
            let causes: Vec<String> = finding.causes().map(words::cause).collect();
            format!(
                "{}: {} ({})",
                words::hop(finding.hop),
                causes.join(" or "),
                finding.why
            )
        })
        .collect();
    let only_effect = matches!(found.findings.as_slice(), [one] if one.also.is_empty());
    let verb = if only_effect {
        "the lines show only an effect"
    } else {
        "the lines fit several causes"
    };
    format!("{verb}: {}", told.join("; "))
}

fn nothing(signs: &Signs<'_>) -> String {
    let said = match &signs.client {
        Err(why) => return why.clone(),
        Ok(Client::MySql { end, .. }) => end
            .error()
            .map_or_else(|| "nothing".to_owned(), |error| error.message.clone()),
        Ok(Client::Raw { .. } | Client::Probe(_)) => client::said(signs).unwrap_or_default(),
    };
    let lost: Vec<String> = signs
        .lost
        .iter()
        .map(|hop| crate::judge::source::log(*hop))
        .collect();
    let missing = if lost.is_empty() {
        String::new()
    } else {
        format!("; missing: {}", lost.join(", "))
    };
    format!("no proxy and no router tells who refused; the client says: {said}{missing}")
}
