//! What the page needs of every case to list and filter them. Names are short: there may be thousands.

use meshproof_record::{Hop, RunRecord, word};
use serde::Serialize;

use super::Listed;
use crate::text::printable;
use crate::words::{expected, observed, status};

#[derive(Serialize)]
pub(super) struct Index {
    scenarios: Vec<Scenario>,
    cases: Vec<Row>,
}

#[derive(Serialize)]
struct Scenario {
    name: String,
    labels: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    /// Place of its scenario.
    s: usize,
    name: String,
    verdict: &'static str,
    expected: String,
    observed: String,
    /// Who ended the session, by what was observed, or else by what was expected.
    hop: String,
    /// Why, in the same way.
    cause: String,
    why: String,
    /// More that is searched: what stands in the details.
    more: String,
    ms: f64,
}

impl Index {
    pub(super) fn of(record: &RunRecord, cases: &[Listed<'_>]) -> Self {
        let scenarios = record.scenarios.iter().map(|scenario| Scenario {
            name: printable(&scenario.name).into_owned(),
            labels: scenario.labels.clone(),
        });
        Self {
            scenarios: scenarios.collect(),
            cases: cases.iter().map(Row::of).collect(),
        }
    }
}

impl Row {
    fn of((scenario, _, case): &Listed<'_>) -> Self {
        let seen = case.verdict.observed;
        let hop = seen.map_or(case.expectation.hop, |seen| Some(seen.hop));
        let cause = seen.map_or(case.expectation.cause, |seen| Some(seen.cause));
        let more = [
            case.source.as_str(),
            &case.target,
            &case.speaks,
            case.control.as_deref().unwrap_or_default(),
            case.description.as_deref().unwrap_or_default(),
            case.sabotage.as_deref().unwrap_or_default(),
        ];
        Self {
            s: *scenario,
            name: printable(&case.name).into_owned(),
            verdict: status(case.verdict.status),
            expected: expected(&case.expectation),
            observed: seen.map_or("-".to_owned(), observed),
            hop: word(hop.unwrap_or(Hop::None)),
            cause: cause.map_or("none".to_owned(), word),
            why: printable(&case.verdict.summary).into_owned(),
            more: more.join("\n"),
            ms: case.duration_ms,
        }
    }
}
