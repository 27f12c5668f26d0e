//! All that the page shows of one case when it is opened.

use meshproof_record::{
    CaseRecord, Check, ExpectedDatabase, ExpectedLink, Hop, ScenarioRecord, WireEvidence, word,
};
use serde::Serialize;

use super::evidence::{self, Block};
use super::path::{self, Path};
use super::timeline::{self, Lane};
use crate::text::printable;
use crate::words::{number, status};

/// Most bytes of rows in a comparison: the whole is in the evidence.
const SHORT: usize = 600;

#[derive(Serialize)]
pub(super) struct Detail {
    /// Names and values, in order.
    facts: Vec<(&'static str, String)>,
    compared: Vec<Compared>,
    /// Verdict, what, detail.
    checks: Vec<(&'static str, String, String)>,
    path: Path,
    lanes: Vec<Lane>,
    evidence: Vec<Block>,
}

/// One thing that was demanded, beside what was seen of it.
#[derive(Serialize)]
struct Compared {
    what: &'static str,
    expected: String,
    observed: String,
    /// Both are words of one vocabulary and not the same. Where they are not of one, the checks tell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    differs: bool,
}

impl Compared {
    fn words(what: &'static str, expected: String, observed: Option<String>) -> Self {
        let differs = observed.as_ref().is_some_and(|seen| *seen != expected);
        let beside = Self::texts(what, expected, observed);
        Self { differs, ..beside }
    }

    fn texts(what: &'static str, expected: String, observed: Option<String>) -> Self {
        Self {
            what,
            expected,
            observed: observed.unwrap_or_else(|| "not known".to_owned()),
            differs: false,
        }
    }
}

impl Detail {
    pub(super) fn of(scenario: &ScenarioRecord, case: &CaseRecord) -> Self {
        Self {
            facts: facts(scenario, case),
            compared: compared(case),
            checks: case.verdict.checks.iter().map(check).collect(),
            path: Path::of(case),
            lanes: timeline::lanes(case),
            evidence: evidence::blocks(&case.evidence),
        }
    }
}

fn facts(scenario: &ScenarioRecord, case: &CaseRecord) -> Vec<(&'static str, String)> {
    let optional = [
        ("demands", case.description.clone()),
        ("from", Some(case.source.clone())),
        (
            "to",
            Some(format!("{}, speaking {}", case.target, case.speaks)),
        ),
        ("control", case.control.clone()),
        ("changed for it", joined(&case.variation)),
        ("taken away from it", case.sabotage.clone()),
        ("labels", joined(&scenario.labels)),
        (
            "stands in",
            Some(format!("{}:{}", scenario.file, case.line)),
        ),
    ];
    optional
        .into_iter()
        .filter_map(|(name, value)| Some((name, printable(&value?).into_owned())))
        .collect()
}

fn joined(texts: &[String]) -> Option<String> {
    (!texts.is_empty()).then(|| texts.join("; "))
}

fn check(check: &Check) -> (&'static str, String, String) {
    (
        status(check.status),
        printable(&check.what).into_owned(),
        printable(&check.detail).into_owned(),
    )
}

/// What the scenario demands that the evidence shows in few words. The rest is in the checks.
fn compared(case: &CaseRecord) -> Vec<Compared> {
    let (expectation, evidence) = (&case.expectation, &case.evidence);
    let seen = case.verdict.observed;
    let outcome = seen.map(|seen| word(seen.outcome));
    let mut all = vec![Compared::words(
        "the session ends",
        word(expectation.outcome),
        outcome,
    )];
    if let Some(hop) = expectation.hop {
        let seen = seen.map(|seen| nobody(seen.hop));
        all.push(Compared::words("who ends it", nobody(hop), seen));
    }
    if let Some(cause) = expectation.cause {
        let seen = seen.map(|seen| word(seen.cause));
        all.push(Compared::words("because", word(cause), seen));
    }
    if let Some(resolves) = expectation.resolves {
        let seen = evidence.resolution.as_ref();
        let seen = seen.map(|seen| match seen.addresses.as_slice() {
            [] => "no".to_owned(),
            some => some.join(", "),
        });
        all.push(Compared::texts(
            "the name resolves",
            yes_or_no(resolves),
            seen,
        ));
    }
    if let Some(rows) = &expectation.rows {
        let seen = evidence.client.as_ref();
        let seen = seen.map(|client| evidence::cut(&client.stdout, SHORT).0);
        all.push(Compared::texts("the client prints", table(rows), seen));
    }
    all.extend(
        expectation
            .database
            .as_ref()
            .map(|database| at_database(case, database)),
    );
    if let Some(link) = expectation.link {
        let seen = evidence.wire.as_ref().map(link_shows);
        all.push(Compared::texts("on the link", demanded(link), seen));
    }
    all
}

fn at_database(case: &CaseRecord, expected: &ExpectedDatabase) -> Compared {
    let seen = case.evidence.database.as_ref();
    let (expected, seen) = match expected {
        ExpectedDatabase::Nothing => {
            let count = seen.map(|seen| number(path::sessions(seen), "session"));
            (number(0, "session"), count)
        }
        ExpectedDatabase::Rows { query, equal } => {
            let rows = seen.and_then(|seen| seen.rows.as_deref()).map(table);
            (format!("{query}\n{}", table(equal)), rows)
        }
    };
    Compared::texts("at the database", expected, seen)
}

fn link_shows(wire: &WireEvidence) -> String {
    let found: u64 = wire.canaries.iter().map(|canary| canary.times).sum();
    let shared = if wire.shared {
        "; other cases were under way"
    } else {
        ""
    };
    format!(
        "{}, {}; what was looked for was found {found} times{shared}",
        number(wire.packets, "packet"),
        number(wire.connections.len() as u64, "connection"),
    )
}

fn demanded(link: ExpectedLink) -> String {
    let text = match link {
        ExpectedLink::Secret => "TLS only, nothing in clear",
        ExpectedLink::Readable => "the session in clear",
        ExpectedLink::Nothing => "not a single byte",
    };
    text.to_owned()
}

fn nobody(hop: Hop) -> String {
    match hop {
        Hop::None => "nobody".to_owned(),
        hop => word(hop),
    }
}

fn yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

/// Rows as lines, with a tab between values, as a client prints them.
fn table(rows: &[Vec<String>]) -> String {
    let lines: Vec<String> = rows.iter().map(|row| row.join("\t")).collect();
    evidence::cut(&lines.join("\n"), SHORT).0
}
