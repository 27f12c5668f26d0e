//! From expectation and evidence to a verdict. Pure: the same record gives the same verdict.
//!
//! Rules that hold for every case:
//! - something that must be refused and got through is a failure, whatever else is known;
//! - a negative case whose control did not pass is otherwise inconclusive: a broken path refuses too;
//! - where a process of the path ended while the case ran, or clocks disagree, no session that fails says
//!   anything of the configuration: the case is inconclusive;
//! - evidence that is missing makes the check that needs it inconclusive, and the verdict with it;
//! - a check that fails makes the case fail, even beside others that are inconclusive.

mod checks;
mod continuous;
pub(crate) mod counters;
mod database;
mod facts;
mod gateways;
mod negative;
mod observed;
mod path;
mod positive;
mod teeth;
mod wire;

use meshproof_record::{CaseRecord, Observed, Outcome, RunRecord, ScenarioRecord, Status, Verdict};

use meshproof_sql::ClientEnd;

use checks::Checks;
use facts::Facts;

/// Names of evidence sources in [`meshproof_record::Missing`], so that who collects and who judges
/// speak of the same thing.
pub mod source {
    /// The client program.
    pub const CLIENT: &str = "client";
    /// The client that only waits.
    pub const WAITING_CLIENT: &str = "waiting client";
    /// The name's resolution.
    pub const RESOLUTION: &str = "resolution";
    /// The routers' counters.
    pub const NETWORK: &str = "network";
    /// The capture on the link between the clusters.
    pub const WIRE: &str = "wire";
    /// A capture on the link, where the provider has no place for one whatever happens.
    pub const NO_CAPTURE: &str = "wire, on this provider";
    /// The database's counters.
    pub const DATABASE: &str = "database";
    /// The query on the server's side.
    pub const ROWS: &str = "rows";

    /// The access log of a hop, for example `log ingress`.
    pub fn log(hop: meshproof_record::Hop) -> String {
        format!("log {}", crate::words::hop(hop))
    }

    /// A process of the path that is there from the beginning of a case to its end, for example
    /// `lasting ingress`.
    pub fn lasting(hop: meshproof_record::Hop) -> String {
        format!("lasting {}", crate::words::hop(hop))
    }

    /// One clock for whoever writes logs, judges certificates and runs the case.
    pub const CLOCK: &str = "common clock";
    /// Word from the proxies that what was applied is active.
    pub const ACKNOWLEDGEMENT: &str = "acknowledged configuration";
    /// Proxies that serve the same from a case's beginning to its end.
    pub const STEADY: &str = "steady configuration";
}

/// Judges a case by its expectation and evidence. `case.verdict` is not looked at; `control` is what
/// became of the case's control, run before it in the same environment. A sabotaged case passes when
/// what it demands fails.
pub fn judge(case: &CaseRecord, control: Option<Status>) -> Verdict {
    let facts = Facts::of(case);
    let verdict = conforms(case, &facts, control);
    if case.sabotage.is_none() {
        return verdict;
    }
    let statement = match &facts.end {
        Some(ClientEnd::StatementFailed(error)) => Some(error.message.as_str()),
        _ => None,
    };
    teeth::judge(verdict, statement)
}

fn conforms(case: &CaseRecord, facts: &Facts<'_>, control: Option<Status>) -> Verdict {
    let mut checks = Checks::default();
    let seen = observed::observe(facts);
    if case.expectation.outcome == Outcome::Connected {
        positive::check(facts, &mut checks);
    } else {
        negative::check(facts, control, &seen, &mut checks);
    }
    if let Some(why) = inactive(case, facts, checks.status()) {
        let found = match checks.status() {
            Status::Pass => String::new(),
            _ => format!("; found {}", checks.reason()),
        };
        checks.void("the configuration is active", format!("{why}{found}"));
    }
    let status = checks.status();
    let summary = match status {
        Status::Pass => passed(case, facts),
        _ => checks.reason(),
    };
    Verdict {
        status,
        summary,
        checks: checks.into_list(),
        observed: seen.observed,
    }
}

/// Why it is not known under which configuration a case ran, where that matters: what was applied may not have arrived
/// yet, and then a session fails, or goes the old way.
fn inactive(case: &CaseRecord, facts: &Facts<'_>, status: Status) -> Option<String> {
    if facts.is_missing(source::STEADY) {
        return Some(facts.why_missing(source::STEADY));
    }
    // A control has shown what is there from the beginning, and nobody what a case itself has changed.
    let changes = !case.variation.is_empty() || case.sabotage.is_some();
    let fails = status == Status::Fail && case.expectation.outcome == Outcome::Connected;
    let unknown = facts.is_missing(source::ACKNOWLEDGEMENT) && (changes || fails);
    unknown.then(|| facts.why_missing(source::ACKNOWLEDGEMENT))
}

fn passed(case: &CaseRecord, facts: &Facts<'_>) -> String {
    match case.expectation.outcome {
        Outcome::Connected => positive::proven(facts),
        _ => negative::proven(facts),
    }
}

/// A verdict for a case that was not run.
pub fn not_run(status: Status, why: impl Into<String>) -> Verdict {
    Verdict {
        status,
        summary: why.into(),
        checks: Vec::new(),
        observed: None::<Observed>,
    }
}

/// The same run with every verdict recomputed from its evidence. Skipped cases stay skipped; cases
/// that were never run (no evidence at all) keep their verdict.
#[must_use]
pub fn rejudge(run: &RunRecord) -> RunRecord {
    let mut run = run.clone();
    for scenario in &mut run.scenarios {
        rejudge_scenario(scenario);
    }
    run
}

fn rejudge_scenario(scenario: &mut ScenarioRecord) {
    let ran = |case: &CaseRecord| {
        case.verdict.status != Status::Skipped
            && case.evidence != meshproof_record::Evidence::default()
    };
    let mut fresh: Vec<Option<Verdict>> = vec![None; scenario.cases.len()];
    // Controls are positive cases without a control of their own: two passes settle everything.
    for with_control in [false, true] {
        for (index, case) in scenario.cases.iter().enumerate() {
            if case.control.is_some() != with_control || !ran(case) {
                continue;
            }
            let control = case.control.as_ref().and_then(|name| {
                let at = scenario
                    .cases
                    .iter()
                    .position(|other| other.name == *name)?;
                fresh[at].as_ref().map(|verdict| verdict.status)
            });
            fresh[index] = Some(judge(case, control));
        }
    }
    for (case, verdict) in scenario.cases.iter_mut().zip(fresh) {
        case.verdict = verdict.unwrap_or_else(|| case.verdict.clone());
    }
}
