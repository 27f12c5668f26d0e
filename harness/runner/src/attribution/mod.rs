//! Who ended a session and why, from everything that is known of it. Pure.
//!
//! Each source that settles the matter by itself makes a claim: the client's words, the router's
//! counters, the proxies' lines, silence where every log was looked into. One claim that nothing
//! contradicts is an answer; anything else is said to be open, with the evidence that would tell.

mod client;
mod contradiction;
mod logs;
mod needs;
mod probe;
mod ungreeted;
mod wire;

pub(crate) use probe::{is_unanswered, said, settled};

use meshproof_evidence::{HopLogs, Opening, TlsEnd};
use meshproof_record::{Cause, Hop, Observed, Outcome, ProbeReport, WireEvidence};
use meshproof_sql::{ClientEnd, FirstPacket};

/// What is known of one session, whoever collected it.
pub(crate) struct Signs<'a> {
    /// How the client ended; `Err` where that is not known, with the reason.
    pub(crate) client: Result<Client, String>,
    pub(crate) opening: Opening,
    /// Whether the client's pod has a sidecar, where that is known.
    pub(crate) sidecar: Option<bool>,
    /// Who answers a client that has no sidecar, where that is known.
    pub(crate) peer: Option<Hop>,
    pub(crate) logs: &'a HopLogs,
    /// Whether no other session can have left a line: cases of a run share the gateways.
    pub(crate) alone: bool,
    /// Hops whose lines cannot be read, and why.
    pub(crate) unreadable: &'a [(Hop, String)],
    /// Hops whose log is not, or not wholly, there.
    pub(crate) lost: Vec<Hop>,
    /// What the routers show of a client that nobody answered.
    pub(crate) dropped: Option<String>,
    /// What crossed the link between the clusters during the session, where that was captured.
    pub(crate) wire: Option<&'a WireEvidence>,
    /// Statements that the database counted beside those of whoever asked it.
    pub(crate) statements: Option<u64>,
}

/// How a client ended, by its kind.
#[derive(Clone)]
pub(crate) enum Client {
    /// A MySQL client, and whether it printed anything.
    MySql { end: ClientEnd, printed: bool },
    /// One that shows bytes: a TLS tool, or one that speaks first.
    Raw {
        first: Option<FirstPacket>,
        tls: Option<TlsEnd>,
    },
    /// The prober.
    Probe(Box<ProbeReport>),
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribution {
    /// How the session ended, if that is certain.
    pub(crate) observed: Option<Observed>,
    /// How that is known, or what is the matter.
    pub(crate) how: String,
    /// What each source shows.
    pub(crate) evidence: Vec<Shown>,
    /// What cannot be true together with it.
    pub(crate) contradictions: Vec<String>,
    /// Where it is not certain but the evidence leaves only these.
    pub(crate) fits: Vec<Observed>,
    /// Evidence that would tell.
    pub(crate) needs: Vec<String>,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) source: String,
    pub(crate) shows: String,
}

impl Shown {
    fn new(source: impl Into<String>, shows: impl Into<String>) -> Self {
        let (source, shows) = (source.into(), shows.into());
        Self { source, shows }
    }
}

/// An answer by one source.
struct Claim {
    observed: Observed,
    how: String,
    source: &'static str,
}

impl Claim {
    fn new(observed: Observed, source: &'static str, how: impl Into<String>) -> Self {
        let how = how.into();
        Self {
            observed,
            how,
            source,
        }
    }

    /// Whether other sessions may have left what it stands on: they share the gateways and the link.
    fn is_shared(&self) -> bool {
        matches!(self.source, "logs" | wire::SOURCE)
    }
}

const CONNECTED: Observed = Observed {
    outcome: Outcome::Connected,
    hop: Hop::None,
    cause: Cause::None,
};

const DROPPED: Observed = Observed {
    outcome: Outcome::Unreachable,
    hop: Hop::Network,
    cause: Cause::Dropped,
};

/// Puts it all together.
pub(crate) fn attribute(signs: &Signs<'_>) -> Attribution {
    let found = logs::findings(signs);
    let dropped = signs.dropped.as_ref();
    let claims: Vec<Claim> = [
        client::claim(signs),
        dropped.map(|how| Claim::new(DROPPED, "network", how)),
        logs::claim(&found),
        wire::claim(signs),
        silence(signs),
        ungreeted::claim(signs),
    ]
    .into_iter()
    .flatten()
    .collect();
    let contradictions = contradiction::all(signs, &claims, &found);
    let evidence = evidence(signs, &claims, &found);
    let open = |how: String, fits: Vec<Observed>| Attribution {
        observed: None,
        how,
        evidence: evidence.clone(),
        contradictions: contradictions.clone(),
        needs: needs::all(signs, &fits),
        fits,
    };
    if let Some(first) = contradictions.first() {
        return open(format!("the evidence contradicts itself: {first}"), vec![]);
    }
    match claims.first() {
        Some(claim) if claim.source != "logs" || signs.unreadable.is_empty() => Attribution {
            observed: Some(claim.observed),
            how: claim.how.clone(),
            evidence,
            contradictions,
            fits: Vec::new(),
            needs: Vec::new(),
        },
        _ => {
            let (how, fits) = logs::open(signs, &found);
            open(how, fits)
        }
    }
}

/// No words, no counters, no line. Silence on a timeout that was seen is a drop in the network,
/// provided that every proxy's log was there to be looked into. A sidecar takes every connection of
/// its pod, so that with one a timeout of TCP is something else.
fn silence(signs: &Signs<'_>) -> Option<Claim> {
    let lines = signs.logs.values().any(|lines| !lines.is_empty());
    let silent = !lines && signs.lost.is_empty() && signs.sidecar != Some(true);
    let said = match &signs.client {
        Ok(Client::MySql {
            end: ClientEnd::NoAnswer(error),
            ..
        }) if silent => error.message.clone(),
        Ok(Client::Probe(report)) if silent && probe::is_unanswered(report) => probe::said(report),
        _ => return None,
    };
    let how = format!("the client says: {said}; no proxy logged a connection");
    Some(Claim::new(DROPPED, "silence", how))
}

fn evidence(
    signs: &Signs<'_>,
    claims: &[Claim],
    found: &meshproof_evidence::Attribution,
) -> Vec<Shown> {
    let client = client::said(signs).map(|said| Shown::new("client", said));
    let router = claims.iter().filter(|claim| claim.source == "network");
    let router = router.map(|claim| Shown::new("network", claim.how.clone()));
    let findings = found.findings.iter().map(logs::shown);
    let wire = wire::said(signs);
    let statements = signs.statements.map(|count| {
        let shows = format!("{count} statements beside those that read the counters");
        Shown::new("database", shows)
    });
    client
        .into_iter()
        .chain(router)
        .chain(findings)
        .chain(wire)
        .chain(statements)
        .collect()
}
