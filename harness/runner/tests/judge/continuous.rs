//! The judge on sessions made one after the other while the environment changed.

use crate::support::{recorded, tutorial};
use meshproof_record::{CaseRecord, Check, ContinuousEvidence, Failures, Hop, Status};
use meshproof_runner::judge;

const OLD: &str = "0a";
const NEW: &str = "0b";
const SESSIONS: &str = "sessions while the environment changed";
const AT_THE_END: &str = "sessions after the last change";
const CERTIFICATE: &str = "new sessions show the new client certificate";
const OPERATOR: &str = " %DOWNSTREAM_PEER_FINGERPRINT_256%";

fn case(expected: Failures, failed: u64, failed_at_the_end: u64) -> CaseRecord {
    let mut case = recorded("ok").case(tutorial());
    case.expectation.failures = Some(expected);
    case.evidence.continuous = Some(ContinuousEvidence {
        sessions: vec![3, 4, 3],
        failed,
        failed_at_the_end,
        words: Vec::new(),
        client_certificate: None,
    });
    case
}

/// Rotated to `NEW`; the ingress gateway logged these certificates, one a session.
fn rotated(shown: &[&str]) -> CaseRecord {
    let mut case = case(Failures::None, 0, 0);
    let continuous = case.evidence.continuous.as_mut().unwrap();
    continuous.client_certificate = Some(NEW.to_owned());
    let log = case.evidence.logs.get_mut(&Hop::Ingress).unwrap();
    log.format = format!("{}{OPERATOR}\n", log.format.trim_end());
    let line = log.lines[0].clone();
    log.lines = shown
        .iter()
        .map(|shown| format!("{line} {shown}"))
        .collect();
    case
}

fn check<'a>(checks: &'a [Check], what: &str) -> Option<&'a Check> {
    checks.iter().find(|check| check.what == what)
}

#[track_caller]
fn shows(case: &CaseRecord, what: &str, status: Status, detail: &str) {
    let verdict = judge(case, None);
    let found = check(&verdict.checks, what).unwrap_or_else(|| panic!("{verdict:#?}"));
    assert_eq!((found.status, found.detail.as_str()), (status, detail));
}

#[test]
fn not_one_session_may_fail() {
    let quiet = case(Failures::None, 0, 0);
    shows(&quiet, SESSIONS, Status::Pass, "0 of 10 failed");
    assert_eq!(judge(&quiet, None).status, Status::Pass);
    let one = case(Failures::None, 1, 0);
    shows(&one, SESSIONS, Status::Fail, "1 of 10 failed");
    assert_eq!(judge(&one, None).status, Status::Fail);
}

#[test]
fn some_sessions_must_fail_and_none_at_the_end() {
    let healed = case(Failures::Some, 2, 0);
    shows(&healed, SESSIONS, Status::Pass, "2 of 10 failed");
    shows(&healed, AT_THE_END, Status::Pass, "0 failed");
    assert_eq!(judge(&healed, None).status, Status::Pass);
    let quiet = case(Failures::Some, 0, 0);
    shows(&quiet, SESSIONS, Status::Fail, "0 of 10 failed");
    assert_eq!(judge(&quiet, None).status, Status::Fail);
    let broken = case(Failures::Some, 5, 3);
    shows(&broken, AT_THE_END, Status::Fail, "3 failed");
    assert_eq!(judge(&broken, None).status, Status::Fail);
}

#[test]
fn without_sessions_nothing_is_known() {
    let mut case = case(Failures::None, 0, 0);
    case.evidence.continuous = None;
    let verdict = judge(&case, None);
    assert_eq!(verdict.status, Status::Inconclusive);
    let found = check(&verdict.checks, SESSIONS).unwrap();
    assert_eq!(found.status, Status::Inconclusive);
}

/// A case that says nothing of failures is not judged by them.
#[test]
fn what_is_not_demanded_is_not_judged() {
    let mut case = case(Failures::None, 1, 1);
    case.expectation.failures = None;
    let verdict = judge(&case, None);
    assert!(check(&verdict.checks, SESSIONS).is_none());
    assert_eq!(verdict.status, Status::Pass);
}

#[test]
fn the_last_session_must_show_the_new_certificate() {
    let new = rotated(&[OLD, NEW]);
    shows(&new, CERTIFICATE, Status::Pass, "SHA-256 0b");
    let old = rotated(&[NEW, OLD]);
    shows(&old, CERTIFICATE, Status::Fail, "SHA-256 0a");
    assert_eq!(judge(&old, None).status, Status::Fail);
}

/// Where no certificate was put in place, none is looked for.
#[test]
fn no_certificate_is_looked_for_where_none_was_changed() {
    let mut case = rotated(&[OLD]);
    let continuous = case.evidence.continuous.as_mut().unwrap();
    continuous.client_certificate = None;
    assert!(check(&judge(&case, None).checks, CERTIFICATE).is_none());
}

#[test]
fn a_log_without_the_certificate_establishes_nothing_and_names_the_field() {
    // The field is empty, the format has no such field, there is no log.
    let empty = rotated(&["-"]);
    let mut short = rotated(&[]);
    short.evidence.logs = recorded("ok").case(tutorial()).evidence.logs;
    let mut none = rotated(&[NEW]);
    none.evidence.logs.remove(&Hop::Ingress);
    for case in [empty, short, none] {
        shows(
            &case,
            CERTIFICATE,
            Status::Inconclusive,
            "no line of ingress tells: %DOWNSTREAM_PEER_FINGERPRINT_256% in its log format would",
        );
        assert_eq!(judge(&case, None).status, Status::Inconclusive);
    }
}
