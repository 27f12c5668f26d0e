//! What the judge says of the link where nobody can capture on it: the gateways' word, or nothing.

use meshproof_record::{CaseRecord, Check, ExpectedLink, Hop, Missing, Outcome, Status};
use meshproof_runner::{judge, source};

use crate::support::{expects, recorded, refused, silence};

fn case(id: &str, link: ExpectedLink) -> CaseRecord {
    let recorded = recorded(id);
    let (outcome, hop, cause, _) = recorded.truth();
    let expectation = match outcome {
        Outcome::Connected => expects(outcome, None, None),
        _ => refused(outcome, hop, cause),
    };
    let mut case = recorded.case(expectation);
    case.expectation.link = Some(link);
    case.evidence.missing.push(Missing {
        source: source::NO_CAPTURE.to_owned(),
        why: "there is no router pod".to_owned(),
    });
    case
}

fn check(case: &CaseRecord, what: &str) -> Check {
    let verdict = judge(case, Some(Status::Pass));
    let found = verdict.checks.iter().find(|check| check.what == what);
    found.unwrap_or_else(|| panic!("{verdict:#?}")).clone()
}

fn secret(case: &CaseRecord) -> Check {
    check(case, "crossing stays secret")
}

fn nothing(case: &CaseRecord) -> Check {
    check(case, "nothing crosses the link")
}

#[test]
fn a_session_that_the_ingress_took_in_tls_is_secret_as_far_as_it_can_tell() {
    let check = secret(&case("ok", ExpectedLink::Secret));
    assert_eq!(check.status, Status::Pass);
    insta::assert_snapshot!(check.detail, @"ingress took it in TLSv1.3; the link itself was not captured, as this provider has no place for it");
}

#[test]
fn a_session_that_the_ingress_took_in_clear_is_not() {
    let mut case = case("ok", ExpectedLink::Secret);
    let log = case.evidence.logs.get_mut(&Hop::Ingress).unwrap();
    let clear = log.lines[0]
        .replace("203.0.113.10.nip.io - |", "- - |")
        .replace("TLSv1.3 \"CN=203.0.113.10.nip.io\"", "- \"-\"");
    assert_ne!(clear, log.lines[0]);
    log.lines[0] = clear;
    assert_eq!(secret(&case).status, Status::Fail);
    assert_eq!(judge(&case, None).status, Status::Fail);
}

#[test]
fn without_the_ingress_log_nothing_is_known() {
    for link in [ExpectedLink::Secret, ExpectedLink::Nothing] {
        let mut case = case("ok", link);
        case.evidence.logs.remove(&Hop::Ingress);
        let of = if link == ExpectedLink::Secret {
            secret
        } else {
            nothing
        };
        assert_eq!(of(&case).status, Status::Inconclusive);
        case.evidence.logs = recorded("ok").case(case.expectation.clone()).evidence.logs;
        case.evidence.missing.push(Missing {
            source: source::log(Hop::Ingress),
            why: "it was cut".to_owned(),
        });
        let check = of(&case);
        assert_eq!(check.status, Status::Inconclusive);
        assert!(check.detail.contains("it was cut"), "{}", check.detail);
    }
}

#[test]
fn a_session_without_a_line_of_the_ingress_establishes_nothing() {
    let mut case = case("ok", ExpectedLink::Secret);
    silence(&mut case, Hop::Ingress);
    assert_eq!(secret(&case).status, Status::Inconclusive);
}

#[test]
fn nothing_crosses_where_the_ingress_logged_nothing() {
    let mut quiet = case("ok", ExpectedLink::Nothing);
    silence(&mut quiet, Hop::Ingress);
    assert_eq!(nothing(&quiet).status, Status::Pass);
    assert_eq!(
        nothing(&case("ok", ExpectedLink::Nothing)).status,
        Status::Fail
    );
}

/// A capture that was to be had and failed is not replaced by anything.
#[test]
fn a_capture_that_failed_is_missing() {
    let mut case = case("ok", ExpectedLink::Secret);
    case.evidence.missing[0].source = source::WIRE.to_owned();
    assert_eq!(secret(&case).status, Status::Inconclusive);
}

#[test]
fn what_only_a_capture_shows_is_not_known() {
    let case = case("ok", ExpectedLink::Readable);
    let check = check(&case, "the capture sees what crosses in clear");
    assert_eq!(check.status, Status::Inconclusive);
}
