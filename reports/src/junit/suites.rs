//! The run record as JUnit sees it: suites, cases, and why a case did not pass.

use std::collections::HashSet;
use std::path::Path;

use meshproof_record::{CaseRecord, Problem, RunRecord, ScenarioRecord, Status};

use super::{details, properties};
use crate::totals::Totals;

/// One `<testsuite>`.
pub(super) struct Suite {
    pub(super) name: String,
    pub(super) timestamp: String,
    pub(super) properties: Vec<(String, String)>,
    pub(super) cases: Vec<Case>,
}

/// One `<testcase>`.
pub(super) struct Case {
    pub(super) classname: String,
    pub(super) name: String,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
    pub(super) timestamp: String,
    pub(super) seconds: f64,
    pub(super) outcome: Outcome,
    pub(super) properties: Vec<(String, String)>,
    pub(super) output: String,
}

/// What a test case came to.
pub(super) enum Outcome {
    Pass,
    Failure(Why),
    Error(Why),
    Skipped(Why),
}

/// Why a case did not pass. Some readers take the message, others the text: both say it all.
pub(super) struct Why {
    pub(super) kind: &'static str,
    pub(super) message: String,
    pub(super) text: String,
}

/// The suites of a run: one per scenario, and one for what kept the run from its work.
pub(super) fn suites(record: &RunRecord, attachments: &[&Path]) -> Vec<Suite> {
    let mut names = Names::default();
    let mut suites: Vec<Suite> = record
        .scenarios
        .iter()
        .map(|scenario| scenario_suite(record, scenario, attachments, &mut names))
        .collect();
    let mut problems = record.problems.clone();
    if problems.is_empty() && Totals::of(record).cases() == 0 {
        let message = "no case was run, so nothing was proven".to_owned();
        problems.push(Problem {
            during: "run".to_owned(),
            message,
        });
    }
    if !problems.is_empty() {
        suites.push(problem_suite(record, &problems, &mut names));
    }
    suites
}

fn scenario_suite(
    record: &RunRecord,
    scenario: &ScenarioRecord,
    attachments: &[&Path],
    names: &mut Names,
) -> Suite {
    let name = format!("meshproof.{}", scenario.name);
    let started = scenario
        .cases
        .first()
        .map_or(&record.started, |case| &case.started);
    Suite {
        timestamp: started.clone(),
        properties: properties::of_scenario(record, scenario),
        cases: scenario
            .cases
            .iter()
            .map(|case| verdict_case(&name, scenario, case, attachments, names))
            .collect(),
        name,
    }
}

fn verdict_case(
    classname: &str,
    scenario: &ScenarioRecord,
    case: &CaseRecord,
    attachments: &[&Path],
    names: &mut Names,
) -> Case {
    let why = |kind| Why {
        kind,
        message: case.verdict.summary.clone(),
        text: details::reason(case),
    };
    Case {
        classname: classname.to_owned(),
        name: names.unique(classname, &case.name),
        file: Some(scenario.file.clone()),
        line: Some(case.line),
        timestamp: case.started.clone(),
        seconds: seconds(case.duration_ms),
        outcome: match case.verdict.status {
            Status::Pass => Outcome::Pass,
            Status::Fail => Outcome::Failure(why("not conformant")),
            Status::Inconclusive => Outcome::Error(why("inconclusive")),
            Status::Skipped => Outcome::Skipped(why("skipped")),
        },
        properties: properties::of_case(case),
        output: details::output(case, attachments),
    }
}

fn problem_suite(record: &RunRecord, problems: &[Problem], names: &mut Names) -> Suite {
    let classname = "meshproof.run";
    let cases = problems.iter().map(|problem| Case {
        classname: classname.to_owned(),
        name: names.unique(classname, &problem.during),
        file: None,
        line: None,
        timestamp: record.finished.clone(),
        seconds: 0.0,
        outcome: Outcome::Error(Why {
            kind: "run not finished",
            message: problem.message.clone(),
            text: format!("{}: {}", problem.during, problem.message),
        }),
        properties: Vec::new(),
        output: String::new(),
    });
    Suite {
        name: classname.to_owned(),
        timestamp: record.started.clone(),
        properties: properties::of_run(record),
        cases: cases.collect(),
    }
}

/// Milliseconds as seconds that JUnit readers accept: finite, not negative, at most a year.
fn seconds(ms: f64) -> f64 {
    if ms.is_finite() {
        (ms / 1000.0).clamp(0.0, 31_536_000.0)
    } else {
        0.0
    }
}

/// Names given so far. GitLab drops a case whose name and class it has seen.
#[derive(Default)]
struct Names(HashSet<(String, String)>);

impl Names {
    fn unique(&mut self, classname: &str, name: &str) -> String {
        // Compared as written, or two names that differ in a control character would be one.
        let classname = super::safe::attribute(classname);
        let name = super::safe::attribute(name);
        let mut candidate = name.clone();
        let mut number = 2;
        while !self.0.insert((classname.clone(), candidate.clone())) {
            candidate = format!("{name}#{number}");
            number += 1;
        }
        candidate
    }
}
