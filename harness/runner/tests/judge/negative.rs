//! The judge on sessions that must be refused.

use crate::support::{HOST, all, recorded, refused, silence};
use meshproof_record::{
    CaseRecord, Cause, Check, Hold, Hop, Missing, NetworkEvidence, Outcome, Resolution, Status,
};
use meshproof_runner::{judge, source};
use proptest::prelude::*;

fn dropped() -> CaseRecord {
    let mut case =
        recorded("unmeshed-3306").case(refused(Outcome::Unreachable, Hop::Network, Cause::Dropped));
    case.expectation.resolves = Some(true);
    case.evidence.resolution = Some(Resolution {
        name: HOST.to_owned(),
        addresses: vec!["203.0.113.10".to_owned()],
    });
    case
}

/// The same, settled by the router's counters: the client was stopped before its timeout.
fn settled_early() -> CaseRecord {
    let mut case = dropped();
    let client = case.evidence.client.as_mut().unwrap();
    client.exit = None;
    client.stderr = String::new();
    client.stopped =
        Some("the router dropped its SYN, the client was stopped at 0.012 s".to_owned());
    case.evidence.network = Some(NetworkEvidence {
        syns: 1,
        drops: 1,
        counted_by: "kube-system/router".to_owned(),
    });
    case
}

fn plaintext() -> CaseRecord {
    let mut case = recorded("unmeshed-13306-speaks").case(refused(
        Outcome::Refused,
        Hop::Ingress,
        Cause::NotTls,
    ));
    let mut waiting = recorded("unmeshed-13306").client();
    waiting.exit = None;
    waiting.stderr = String::new();
    waiting.stopped = Some("it waited 200 ms for a greeting, got none, and was stopped".to_owned());
    case.evidence.waiting_client = Some(waiting);
    case.evidence.holds.push(Hold {
        what: "a greeting".to_owned(),
        ms: 200.0,
    });
    case
}

/// TCP never carried it: what the ingress gateway logs meanwhile is of somebody else.
#[test]
fn lines_of_others_do_not_hide_a_timeout() {
    let mut case = dropped();
    case.evidence.logs = plaintext().evidence.logs;
    let verdict = judge(&case, Some(Status::Pass));
    assert_eq!(verdict.status, Status::Pass, "{verdict:#?}");
}

#[test]
fn a_timeout_that_was_seen_passes() {
    let verdict = judge(&dropped(), Some(Status::Pass));
    assert_eq!(verdict.status, Status::Pass, "{verdict:#?}");
    insta::assert_snapshot!(verdict.summary);
}

#[test]
fn a_drop_settled_early_is_told_as_what_it_is() {
    let verdict = judge(&settled_early(), Some(Status::Pass));
    assert_eq!(verdict.status, Status::Pass, "{verdict:#?}");
    insta::assert_snapshot!(verdict.summary);
}

/// Cases share the gateways: what another case's session left at the ingress takes nothing from what the
/// router counted of this client's own packets.
#[test]
fn a_line_of_another_session_does_not_contradict_a_counted_drop() {
    let mut case = settled_early();
    let other = plaintext().evidence.logs[&Hop::Ingress].clone();
    case.evidence.logs.insert(Hop::Ingress, other);
    let verdict = judge(&case, Some(Status::Pass));
    assert_eq!(verdict.status, Status::Pass, "{verdict:#?}");
}

#[test]
fn a_stopped_client_without_a_counted_drop_establishes_nothing() {
    let mut case = settled_early();
    case.evidence.network.as_mut().unwrap().drops = 0;
    assert_eq!(
        judge(&case, Some(Status::Pass)).status,
        Status::Inconclusive
    );
    case.evidence.network = None;
    assert_eq!(
        judge(&case, Some(Status::Pass)).status,
        Status::Inconclusive
    );
}

#[test]
fn a_timeout_with_a_lost_log_establishes_nothing() {
    let mut case = dropped();
    case.evidence.missing.push(Missing {
        source: source::log(Hop::Ingress),
        why: "ended".to_owned(),
    });
    assert_eq!(
        judge(&case, Some(Status::Pass)).status,
        Status::Inconclusive
    );
}

#[test]
fn connection_refused_is_no_drop() {
    let mut case = dropped();
    let client = case.evidence.client.as_mut().unwrap();
    client.stderr = "ERROR 2002 (HY000): Can't connect to server on 'h' (111)\n".to_owned();
    let verdict = judge(&case, Some(Status::Pass));
    assert_eq!(verdict.status, Status::Fail);
    insta::assert_snapshot!(verdict.summary);
}

#[test]
fn a_name_that_does_not_resolve_fails_where_it_must() {
    let mut case = settled_early();
    case.evidence.resolution.as_mut().unwrap().addresses.clear();
    assert_eq!(judge(&case, Some(Status::Pass)).status, Status::Fail);
}

#[test]
fn plaintext_refused_by_the_ingress_passes() {
    let verdict = judge(&plaintext(), Some(Status::Pass));
    assert_eq!(verdict.status, Status::Pass, "{verdict:#?}");
    insta::assert_snapshot!(verdict.summary);
}

/// A policy acts behind the greeting, and the summary of a pass must not hide that it came.
#[test]
fn a_pass_tells_whether_the_greeting_came() {
    let mut greeted = 0;
    for recorded in all() {
        let (outcome, hop, cause, _) = recorded.truth();
        if outcome == Outcome::Connected {
            continue;
        }
        let verdict = judge(
            &recorded.case(refused(outcome, hop, cause)),
            Some(Status::Pass),
        );
        let told = verdict.summary.ends_with("but the database's greeting");
        assert_eq!(
            told,
            verdict.status == Status::Pass
                && (cause == Cause::PolicyDenied
                    || hop == Hop::Mysqld && cause != Cause::ServerDown),
            "{cause:?} at {hop:?}: {}",
            verdict.summary
        );
        greeted += usize::from(told);
    }
    assert!(greeted > 0);
}

#[test]
fn plaintext_without_a_line_of_the_ingress_establishes_nothing() {
    let mut case = plaintext();
    silence(&mut case, Hop::Ingress);
    assert_eq!(
        judge(&case, Some(Status::Pass)).status,
        Status::Inconclusive
    );
}

/// A server that speaks first may hang up on bytes that it does not understand before its greeting is out, and on
/// a slow machine the window may be over before the greeting comes: the ingress took the session all the same.
#[test]
fn a_session_in_tls_that_the_ingress_passes_on_fails_though_no_greeting_came() {
    let mut case = plaintext();
    let taken = recorded("ok").case(refused(Outcome::Refused, Hop::Ingress, Cause::NotTls));
    case.evidence.logs = taken.evidence.logs;
    let verdict = judge(&case, Some(Status::Pass));
    assert_eq!(verdict.status, Status::Fail, "{verdict:#?}");
    insta::assert_snapshot!(verdict.summary, @"refused at ingress for not-tls: ingress took 247 bytes in TLS and passed them on");
}

#[test]
fn a_refusal_while_a_process_ends_or_clocks_disagree_establishes_nothing() {
    let sources = [
        source::lasting(Hop::Ingress),
        source::lasting(Hop::Mysqld),
        source::CLOCK.to_owned(),
    ];
    for source in sources {
        let missing = Missing {
            source,
            why: "this is why".to_owned(),
        };
        for mut case in [dropped(), plaintext()] {
            case.evidence.missing.push(missing.clone());
            let verdict = judge(&case, Some(Status::Pass));
            assert_eq!(verdict.status, Status::Inconclusive, "{verdict:#?}");
            assert!(verdict.summary.contains("this is why"), "{verdict:#?}");
            // Found to be refused for another reason, it does not fail either.
            case.expectation.cause = Some(Cause::Expired);
            let verdict = judge(&case, Some(Status::Pass));
            assert_eq!(verdict.status, Status::Inconclusive, "{verdict:#?}");
            // What got through got through.
            case.evidence.client = Some(recorded("ok").client());
            case.evidence.waiting_client = Some(recorded("ok").client());
            let verdict = judge(&case, Some(Status::Pass));
            assert_eq!(verdict.status, Status::Fail, "{verdict:#?}");
        }
    }
}

#[test]
fn a_greeting_for_the_waiting_client_fails_even_without_a_control() {
    let mut case = plaintext();
    case.evidence.waiting_client = Some(recorded("ok").client());
    assert_eq!(judge(&case, None).status, Status::Fail);
    case.evidence.waiting_client = Some(recorded("wrong-password").client());
    assert_eq!(judge(&case, None).status, Status::Fail);
    case.evidence.waiting_client = None;
    assert_eq!(
        judge(&case, Some(Status::Pass)).status,
        Status::Inconclusive
    );
}

#[test]
fn mysqls_first_packet_for_the_client_that_speaks_first_fails() {
    let mut case = plaintext();
    let client = case.evidence.client.as_mut().unwrap();
    client.received_bytes = Some(64);
    client.stdout = " 64 00 00 00 0a 35 2e 35 2e 35\n".to_owned();
    assert_eq!(judge(&case, Some(Status::Pass)).status, Status::Fail);
}

#[test]
fn a_statement_at_the_database_fails_even_without_a_control() {
    for mut case in [settled_early(), plaintext()] {
        *case
            .evidence
            .database
            .as_mut()
            .unwrap()
            .after
            .get_mut("Questions")
            .unwrap() += 1;
        assert_eq!(judge(&case, None).status, Status::Fail);
        case.evidence.database = None;
        assert_eq!(
            judge(&case, Some(Status::Pass)).status,
            Status::Inconclusive
        );
    }
}

#[test]
fn a_bare_connection_is_told_and_does_not_count() {
    let mut case = plaintext();
    *case
        .evidence
        .database
        .as_mut()
        .unwrap()
        .after
        .get_mut("Connections")
        .unwrap() += 1;
    let verdict = judge(&case, Some(Status::Pass));
    assert_eq!(verdict.status, Status::Pass);
    let check = verdict
        .checks
        .iter()
        .find(|check| check.what == "nothing reached the database")
        .unwrap();
    insta::assert_snapshot!(check.detail);
}

/// Truth is found, or the verdict stays open: never a wrong one.
#[test]
fn each_recorded_refusal_passes_for_its_own_cause_or_stays_open() {
    let mut open = Vec::new();
    for recorded in all()
        .iter()
        .filter(|recorded| recorded.speaks().starts_with("mysql"))
    {
        let (outcome, hop, cause, told_by) = recorded.truth();
        if outcome == Outcome::Connected {
            continue;
        }
        let verdict = judge(
            &recorded.case(refused(outcome, hop, cause)),
            Some(Status::Pass),
        );
        assert_ne!(
            verdict.status,
            Status::Fail,
            "{}: {}",
            recorded.id(),
            verdict.summary
        );
        if verdict.status != Status::Pass {
            open.push(format!(
                "{} ({told_by}): {}",
                recorded.id(),
                verdict.summary
            ));
        }
    }
    insta::assert_snapshot!(open.join("\n"));
}

#[test]
fn no_recorded_refusal_passes_for_another_cause() {
    for recorded in all()
        .iter()
        .filter(|recorded| recorded.speaks().starts_with("mysql"))
    {
        let (outcome, hop, cause, _) = recorded.truth();
        let other = if cause == Cause::ProtocolVersion {
            Cause::Expired
        } else {
            Cause::ProtocolVersion
        };
        if outcome != Outcome::Connected {
            let verdict = judge(
                &recorded.case(refused(outcome, hop, other)),
                Some(Status::Pass),
            );
            assert_ne!(verdict.status, Status::Pass, "{}", recorded.id());
        }
    }
}

#[test]
fn each_recorded_session_fails_as_a_refusal() {
    for recorded in all()
        .iter()
        .filter(|recorded| recorded.speaks().starts_with("mysql"))
    {
        if recorded.truth().0 == Outcome::Connected {
            let case = recorded.case(refused(Outcome::Refused, Hop::Ingress, Cause::NotTls));
            for control in [None, Some(Status::Pass)] {
                assert_eq!(
                    judge(&case, control).status,
                    Status::Fail,
                    "{}",
                    recorded.id()
                );
            }
        }
    }
}

#[test]
fn a_control_that_passes_again_is_told() {
    let mut case = settled_early();
    case.evidence.control_after = Some(Status::Pass);
    let verdict = judge(&case, Some(Status::Pass));
    assert_eq!(verdict.status, Status::Pass, "{verdict:#?}");
    let again = |check: &&Check| check.what == "control control after the case";
    let check = verdict.checks.iter().find(again).unwrap();
    assert_eq!(check.status, Status::Pass);
}

#[test]
fn a_control_that_does_not_pass_again_establishes_nothing() {
    for status in [Status::Fail, Status::Inconclusive, Status::Skipped] {
        let mut case = settled_early();
        case.evidence.control_after = Some(status);
        let verdict = judge(&case, Some(Status::Pass));
        assert_eq!(verdict.status, Status::Inconclusive, "{verdict:#?}");
        assert!(
            verdict
                .summary
                .starts_with("control control after the case: did not pass again but is "),
            "{}",
            verdict.summary
        );
        // For another cause it is inconclusive too: what broke may have refused.
        case.expectation.cause = Some(Cause::Refused);
        assert_eq!(
            judge(&case, Some(Status::Pass)).status,
            Status::Inconclusive
        );
        // What got through got through, whatever came after it.
        let mut case = plaintext();
        case.evidence.waiting_client = Some(recorded("ok").client());
        case.evidence.control_after = Some(status);
        assert_eq!(judge(&case, Some(Status::Pass)).status, Status::Fail);
    }
}

fn control() -> impl Strategy<Value = Option<Status>> {
    prop_oneof![
        Just(None),
        Just(Some(Status::Fail)),
        Just(Some(Status::Inconclusive)),
        Just(Some(Status::Skipped))
    ]
}

proptest! {
    #[test]
    fn nothing_negative_passes_without_its_control(control in control(), index in any::<prop::sample::Index>()) {
        let recorded = index.get(all());
        let (outcome, hop, cause, _) = recorded.truth();
        let outcome = if outcome == Outcome::Connected { Outcome::Refused } else { outcome };
        let mut cases = vec![recorded.case(refused(outcome, hop, cause)), settled_early(), plaintext(), dropped()];
        for case in &mut cases {
            prop_assert_ne!(judge(case, control).status, Status::Pass);
            case.control = None;
            prop_assert_ne!(judge(case, control).status, Status::Pass);
        }
    }

    #[test]
    fn nothing_negative_passes_with_evidence_taken_away(
        client in any::<bool>(), waiting in any::<bool>(), logs in any::<bool>(), database in any::<bool>(),
    ) {
        let mut case = plaintext();
        if !client { case.evidence.client = None; }
        if !waiting { case.evidence.waiting_client = None; }
        if !logs { case.evidence.logs.clear(); }
        if !database { case.evidence.database = None; }
        let all = client && waiting && logs && database;
        prop_assert_eq!(judge(&case, Some(Status::Pass)).status == Status::Pass, all);
    }
}
