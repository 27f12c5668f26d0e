//! What cannot be true together.

use meshproof_evidence::Attribution as Findings;
use meshproof_evidence::classify::{Finding, Weight};
use meshproof_record::{Cause, Hop, Outcome};

use super::{Claim, Client, Signs, client};
use crate::words;

/// Every contradiction, in words. What is known of the client's own connection is not contradicted by
/// lines that may be of other sessions.
pub(super) fn all(signs: &Signs<'_>, claims: &[Claim], found: &Findings) -> Vec<String> {
    let first = claims.first();
    let lines_count = signs.alone || first.is_none_or(Claim::is_shared);
    let counting = claims
        .iter()
        .filter(|claim| lines_count || !claim.is_shared());
    let mut all = between_claims(counting);
    if lines_count {
        all.extend(between_reasons(found));
    }
    if let Some(claim) = first {
        all.extend(with_statements(signs, claim));
        all.extend(with_greeting(signs, claim));
        if lines_count {
            all.extend(with_reasons(claim, found));
            all.extend(with_lines(signs, claim));
        }
    }
    all
}

fn between_claims<'a>(mut claims: impl Iterator<Item = &'a Claim>) -> Vec<String> {
    let Some(first) = claims.next() else {
        return Vec::new();
    };
    claims
        .filter(|other| other.observed != first.observed)
        .map(|other| {
            format!(
                "{} ({}), but {} ({})",
                words::observed(first.observed),
                first.how,
                words::observed(other.observed),
                other.how
            )
        })
        .collect()
}

fn reasons(found: &Findings) -> impl Iterator<Item = &Finding> {
    let all = found.findings.iter();
    all.filter(|finding| finding.weight == Weight::Reason)
}

/// One session has one end.
fn between_reasons(found: &Findings) -> Option<String> {
    let mut reasons = reasons(found);
    let (first, second) = (reasons.next()?, reasons.next()?);
    Some(format!("{}, but {}", first.why, second.why))
}

/// What the proxies leave open must at least leave room for the claim.
fn with_reasons(claim: &Claim, found: &Findings) -> Option<String> {
    let (hop, cause) = (claim.observed.hop, claim.observed.cause);
    let other = reasons(found).find(|finding| {
        !finding.is_certain() && (finding.hop != hop || finding.causes().all(|c| c != cause))
    })?;
    Some(format!("{}, but {}", claim.how, other.why))
}

fn with_statements(signs: &Signs<'_>, claim: &Claim) -> Option<String> {
    let count = signs.statements?;
    let mysql = matches!(signs.client, Ok(Client::MySql { .. }));
    match claim.observed.outcome {
        Outcome::Connected if mysql && count == 0 => Some(format!(
            "{}, but the database counted no statement",
            claim.how
        )),
        Outcome::Connected => None,
        _ if count > 0 => Some(format!(
            "{}, but the database counted {count} statements",
            claim.how
        )),
        _ => None,
    }
}

/// A policy acts after the greeting, and so does the database itself. A client that speaks TLS may get
/// one in plaintext. Nobody else lets it through.
fn with_greeting(signs: &Signs<'_>, claim: &Claim) -> Option<String> {
    let may = claim.observed.outcome == Outcome::Connected
        || claim.observed.hop == Hop::Mysqld && claim.observed.cause != Cause::ServerDown
        || claim.observed.cause == Cause::PolicyDenied
        || claim.observed.hop == Hop::Client && claim.observed.cause == Cause::TlsToPlaintext;
    (!may && client::greeted(signs) == Some(true)).then(|| {
        format!(
            "{}, but the database's greeting reached the client",
            claim.how
        )
    })
}

/// A client that knows no address, or that nobody answers, makes no proxy log anything.
fn with_lines(signs: &Signs<'_>, claim: &Claim) -> Option<String> {
    let early = claim.observed.cause == Cause::Dns && claim.observed.hop == Hop::Client;
    let (hop, _) = signs
        .logs
        .iter()
        .find(|(_, lines)| early && !lines.is_empty())?;
    let hop = words::hop(*hop);
    Some(format!("{}, but {hop} logged a connection", claim.how))
}
