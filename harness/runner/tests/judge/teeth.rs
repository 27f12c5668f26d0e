//! Cases under sabotage: what they demand must then fail, and the verdict is whether it does.

use crate::support::{recorded, refused, tutorial};
use meshproof_record::{CaseRecord, Cause, Hop, Missing, Outcome, Status, Verdict};
use meshproof_runner::{judge, not_run, rejudge, source};

fn sabotaged(mut case: CaseRecord) -> CaseRecord {
    case.name.push_str(".sabotaged");
    case.sabotage = Some("the defence is removed".to_owned());
    case
}

fn first(verdict: &Verdict) -> (&str, Status) {
    let check = &verdict.checks[0];
    (check.what.as_str(), check.status)
}

/// An expired certificate that nobody looks at: the session goes through.
#[test]
fn a_case_that_fails_without_its_defence_has_teeth() {
    let demand = refused(Outcome::Refused, Hop::Ingress, Cause::Expired);
    let verdict = judge(&sabotaged(recorded("ok").case(demand)), Some(Status::Pass));
    assert_eq!(verdict.status, Status::Pass, "{verdict:#?}");
    assert!(
        verdict.summary.starts_with("it notices: "),
        "{}",
        verdict.summary
    );
    assert_eq!(first(&verdict), ("fails under sabotage", Status::Pass));
    // What failed stays to be read.
    let failed = |check: &meshproof_record::Check| check.status == Status::Fail;
    assert!(verdict.checks[1..].iter().any(failed));
    assert_eq!(verdict.observed.unwrap().outcome, Outcome::Connected);
}

#[test]
fn a_positive_case_has_teeth_too() {
    let verdict = judge(
        &sabotaged(recorded("through-disable").case(tutorial())),
        None,
    );
    assert_eq!(verdict.status, Status::Pass, "{verdict:#?}");
    assert!(
        verdict.summary.starts_with("it notices: "),
        "{}",
        verdict.summary
    );
}

#[test]
fn a_case_that_passes_without_its_defence_fails() {
    let verdict = judge(&sabotaged(recorded("ok").case(tutorial())), None);
    assert_eq!(verdict.status, Status::Fail, "{verdict:#?}");
    assert!(
        verdict
            .summary
            .starts_with("it does not notice that its defence is gone: "),
        "{}",
        verdict.summary
    );
    assert_eq!(first(&verdict), ("fails under sabotage", Status::Fail));
}

/// Inconclusive is not noticed: a sabotage that hides the evidence shows nothing of the case.
#[test]
fn a_case_that_is_inconclusive_without_its_defence_fails() {
    let mut case = sabotaged(recorded("ok").case(tutorial()));
    case.evidence.logs.remove(&Hop::Ingress);
    case.evidence.missing.push(Missing {
        source: source::log(Hop::Ingress),
        why: "the log stream ended".to_owned(),
    });
    let verdict = judge(&case, None);
    assert_eq!(verdict.status, Status::Fail, "{verdict:#?}");
    assert!(
        verdict
            .summary
            .starts_with("without its defence it is inconclusive where it must fail: "),
        "{}",
        verdict.summary
    );
    assert!(
        verdict.summary.contains("no line of ingress"),
        "{}",
        verdict.summary
    );
}

/// A refusal without a control is inconclusive, and so shows no teeth, although it may look like a failure.
#[test]
fn a_control_that_did_not_pass_shows_no_teeth() {
    let demand = refused(Outcome::Refused, Hop::Ingress, Cause::Expired);
    let case = sabotaged(recorded("client-cert-none-12").case(demand));
    assert_eq!(judge(&case, Some(Status::Pass)).status, Status::Pass);
    assert_eq!(judge(&case, Some(Status::Fail)).status, Status::Fail);
    assert_eq!(judge(&case, None).status, Status::Fail);
}

/// The statement of the case failed at the database: that is no work of the sabotage.
#[test]
fn a_failing_statement_shows_no_teeth() {
    let mut case = sabotaged(recorded("ok").case(tutorial()));
    let client = case.evidence.client.as_mut().unwrap();
    client.exit = Some(1);
    "ERROR 1050 (42S01) at line 1: Table 'message' already exists\n".clone_into(&mut client.stderr);
    let verdict = judge(&case, None);
    assert_eq!(verdict.status, Status::Fail, "{verdict:#?}");
    assert!(
        verdict
            .summary
            .contains("Table 'message' already exists; write statements that can run twice"),
        "{}",
        verdict.summary
    );
}

#[test]
fn a_sabotaged_case_that_was_skipped_stays_skipped() {
    let mut run = crate::rejudge::run();
    let case = &mut run.scenarios[0].cases[1];
    *case = sabotaged(case.clone());
    case.verdict = not_run(Status::Skipped, "no router");
    let verdict = &rejudge(&run).scenarios[0].cases[1].verdict;
    assert_eq!(
        (verdict.status, verdict.summary.as_str()),
        (Status::Skipped, "no router")
    );
}
