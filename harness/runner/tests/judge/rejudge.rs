//! Verdicts recomputed from a record.

use crate::support::{recorded, refused, tutorial};
use meshproof_record::{Cause, Hop, Outcome, RunRecord, SCHEMA, ScenarioRecord, Status, Tool};
use meshproof_runner::rejudge;

pub(crate) fn run() -> RunRecord {
    let mut negative =
        recorded("unmeshed-3306").case(refused(Outcome::Unreachable, Hop::Network, Cause::Dropped));
    "negative".clone_into(&mut negative.name);
    let mut control = recorded("ok").case(tutorial());
    "control".clone_into(&mut control.name);
    let scenario = ScenarioRecord {
        name: "s".to_owned(),
        file: "s.yaml".to_owned(),
        description: None,
        labels: Vec::new(),
        bindings: [].into(),
        // The control stands after the case that needs it, as it may in a file.
        cases: vec![negative, control],
    };
    RunRecord {
        schema: SCHEMA.to_owned(),
        run_id: "r".to_owned(),
        tool: Tool {
            version: "0".to_owned(),
            commit: None,
        },
        provider: "embedded".to_owned(),
        started: String::new(),
        finished: String::new(),
        versions: [].into(),
        scenarios: vec![scenario],
        problems: Vec::new(),
        phases: Vec::new(),
        waits: Vec::new(),
        findings: Vec::new(),
    }
}

#[test]
fn verdicts_follow_from_the_file_alone() {
    let text = serde_json::to_string(&run()).unwrap();
    let judged = rejudge(&serde_json::from_str(&text).unwrap());
    let statuses: Vec<Status> = judged.scenarios[0]
        .cases
        .iter()
        .map(|case| case.verdict.status)
        .collect();
    assert_eq!(statuses, [Status::Pass, Status::Pass]);
    assert_eq!(rejudge(&judged), judged);
}

#[test]
fn a_control_that_fails_takes_its_negatives_with_it() {
    let mut run = run();
    run.scenarios[0].cases[1].expectation.rows = Some(Vec::new());
    let judged = rejudge(&run);
    let statuses: Vec<Status> = judged.scenarios[0]
        .cases
        .iter()
        .map(|case| case.verdict.status)
        .collect();
    assert_eq!(statuses, [Status::Inconclusive, Status::Fail]);
}

#[test]
fn skipped_stays_skipped() {
    let mut run = run();
    run.scenarios[0].cases[0].verdict = meshproof_runner::not_run(Status::Skipped, "no router");
    assert_eq!(
        rejudge(&run).scenarios[0].cases[0].verdict.summary,
        "no router"
    );
}
