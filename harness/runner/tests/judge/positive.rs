//! The judge on sessions that must go through.

use crate::support::{recorded, tutorial};
use meshproof_record::{CaseRecord, ExpectedDatabase, Hop, Missing, Status, Verdict};
use meshproof_runner::{judge, source};
use proptest::prelude::*;

fn text(verdict: &Verdict) -> String {
    let checks: Vec<String> = verdict
        .checks
        .iter()
        .map(|check| format!("{:?} {}: {}", check.status, check.what, check.detail))
        .collect();
    format!(
        "{:?}: {}\n{}",
        verdict.status,
        verdict.summary,
        checks.join("\n")
    )
}

/// The recorded session with a row read on the server's side.
fn good() -> CaseRecord {
    let mut case = recorded("ok").case(tutorial());
    let rows = vec![vec!["1".to_owned(), "Crypto Hi".to_owned()]];
    case.expectation.database = Some(ExpectedDatabase::Rows {
        query: "SELECT * FROM message".to_owned(),
        equal: rows.clone(),
    });
    case.evidence.database.as_mut().unwrap().rows = Some(rows);
    case
}

#[test]
fn the_tutorials_session_passes_with_every_leg_shown() {
    insta::assert_snapshot!(text(&judge(&good(), None)));
}

#[test]
fn a_plaintext_leg_fails_and_is_named_though_sql_works() {
    let case = recorded("through-disable").case(tutorial());
    let verdict = judge(&case, None);
    assert_eq!(verdict.status, Status::Fail);
    insta::assert_snapshot!(text(&verdict));
}

#[test]
fn the_default_log_format_establishes_no_peer() {
    let mut case = good();
    for log in case.evidence.logs.values_mut() {
        log.format = meshproof_evidence::BuiltIn::Text.format_string();
        for line in &mut log.lines {
            *line = line.split(" | ").next().unwrap().to_owned();
        }
    }
    let verdict = judge(&case, None);
    assert_eq!(verdict.status, Status::Inconclusive);
    insta::assert_snapshot!(verdict.summary);
}

#[test]
fn a_lost_log_is_named() {
    let mut case = good();
    case.evidence.logs.remove(&Hop::Ingress);
    case.evidence.missing.push(Missing {
        source: source::log(Hop::Ingress),
        why: "the log stream ended".to_owned(),
    });
    let verdict = judge(&case, None);
    assert_eq!(verdict.status, Status::Inconclusive);
    insta::assert_snapshot!(verdict.summary);
}

#[test]
fn another_peer_than_the_expected_one_fails() {
    let mut case = good();
    case.expectation.legs[1].peer = Some("CN=somebody.else".to_owned());
    let verdict = judge(&case, None);
    assert_eq!(verdict.status, Status::Fail);
    insta::assert_snapshot!(verdict.summary);
}

#[test]
fn a_failure_is_open_where_nothing_tells_that_the_configuration_is_active() {
    let mut case = good();
    case.evidence.missing.push(Missing {
        source: source::ACKNOWLEDGEMENT.to_owned(),
        why: "cluster client: the provider does not report active configuration".to_owned(),
    });
    assert_eq!(judge(&case, None).status, Status::Pass);
    case.expectation.legs[1].peer = Some("CN=somebody.else".to_owned());
    let verdict = judge(&case, None);
    assert_eq!(verdict.status, Status::Inconclusive);
    insta::assert_snapshot!(verdict.summary);
}

#[test]
fn another_cluster_than_the_expected_one_fails() {
    let mut case = good();
    case.expectation.path[0].cluster = Some("outbound|13306||203.0.113.10.nip.io".to_owned());
    assert_eq!(judge(&case, None).status, Status::Fail);
}

#[test]
fn a_client_with_tls_of_its_own_establishes_nothing() {
    let mut case = good();
    let client = case.evidence.client.as_mut().unwrap();
    client.stdout = client
        .stdout
        .replace("Ssl_cipher\t", "Ssl_cipher\tTLS_AES_256_GCM_SHA384");
    let verdict = judge(&case, None);
    assert_eq!(verdict.status, Status::Inconclusive);
    insta::assert_snapshot!(verdict.summary);
}

/// Where the case demands MySQL's own TLS, an encrypted session passes, a bare one fails, and one that does
/// not tell establishes nothing.
#[test]
fn tls_of_mysqls_own_must_be_seen_where_it_is_demanded() {
    const WHAT: &str = "the session has TLS of MySQL's own";
    let printing = |cipher: &str| {
        let mut case = good();
        case.expectation.own_tls = true;
        let client = case.evidence.client.as_mut().unwrap();
        client.stdout = client.stdout.replace("Ssl_cipher\t\n", cipher);
        case
    };
    for (cipher, status) in [
        ("Ssl_cipher\tTLS_AES_256_GCM_SHA384\n", Status::Pass),
        ("Ssl_cipher\t\n", Status::Fail),
        ("", Status::Inconclusive),
    ] {
        let verdict = judge(&printing(cipher), None);
        let check = verdict.checks.iter().find(|check| check.what == WHAT);
        assert_eq!(check.unwrap().status, status, "{verdict:#?}");
        assert_eq!(verdict.status, status, "{verdict:#?}");
    }
}

#[test]
fn another_row_fails_at_the_client_and_at_the_server() {
    let mut case = good();
    case.expectation.rows = Some(vec![vec!["Crypto Bye".to_owned()]]);
    assert_eq!(judge(&case, None).status, Status::Fail);
    let mut case = good();
    case.evidence.database.as_mut().unwrap().rows = Some(Vec::new());
    assert_eq!(judge(&case, None).status, Status::Fail);
}

#[test]
fn a_refused_session_fails_and_says_who_refused() {
    let verdict = judge(&recorded("client-cert-expired-13").case(tutorial()), None);
    assert_eq!(verdict.status, Status::Fail);
    insta::assert_snapshot!(verdict.summary);
}

#[test]
fn an_access_log_line_that_cannot_be_read_is_not_passed_over() {
    let mut case = good();
    case.evidence
        .logs
        .get_mut(&Hop::Egress)
        .unwrap()
        .lines
        .push("[2026-11-23T08:05:48.106Z] \"- - -\" 0".to_owned());
    assert_eq!(judge(&case, None).status, Status::Inconclusive);
}

proptest! {
    /// Whatever evidence is taken away, a session never passes without all of it.
    #[test]
    fn connected_never_passes_with_anything_missing(
        logs in prop::collection::vec(any::<bool>(), 4),
        fields in prop::collection::vec(any::<bool>(), 4),
        client in any::<bool>(),
        rows in any::<bool>(),
    ) {
        let mut case = good();
        let hops = [Hop::ClientSidecar, Hop::Egress, Hop::Ingress, Hop::ServerSidecar];
        for ((hop, keep), keep_fields) in hops.iter().zip(&logs).zip(&fields) {
            if !keep {
                case.evidence.logs.remove(hop);
            } else if !keep_fields {
                let log = case.evidence.logs.get_mut(hop).unwrap();
                log.format = meshproof_evidence::BuiltIn::Text.format_string();
                for line in &mut log.lines {
                    *line = line.split(" | ").next().unwrap().to_owned();
                }
            }
        }
        if !client {
            case.evidence.client = None;
        }
        if !rows {
            case.evidence.database = None;
        }
        // The client sidecar's own line is not the receiver of any leg: its longer fields are not needed.
        let all = logs.iter().all(|keep| *keep) && fields[1..].iter().all(|keep| *keep) && client && rows;
        prop_assert_eq!(judge(&case, None).status == Status::Pass, all);
    }
}

/// The recorded session, lost in its middle.
fn lost() -> CaseRecord {
    let mut case = good();
    let client = case.evidence.client.as_mut().unwrap();
    client.exit = Some(1);
    "ERROR 2013 (HY000) at line 1: Lost connection to server during query"
        .clone_into(&mut client.stderr);
    case.evidence.database.as_mut().unwrap().rows = Some(Vec::new());
    case
}

#[test]
fn a_session_that_is_lost_by_itself_fails() {
    let verdict = judge(&lost(), None);
    assert_eq!(verdict.status, Status::Fail, "{}", text(&verdict));
}

#[test]
fn a_session_that_is_lost_while_a_process_ends_or_clocks_disagree_establishes_nothing() {
    let lasting = [
        Hop::ClientSidecar,
        Hop::Egress,
        Hop::Ingress,
        Hop::ServerSidecar,
        Hop::Mysqld,
    ];
    let sources = lasting.map(source::lasting);
    for source in sources.into_iter().chain([source::CLOCK.to_owned()]) {
        let missing = Missing {
            source: source.clone(),
            why: "this is why".to_owned(),
        };
        let mut case = lost();
        case.evidence.missing.push(missing.clone());
        let verdict = judge(&case, None);
        // The row that is not there does not make it a failure.
        assert_eq!(verdict.status, Status::Inconclusive, "{}", text(&verdict));
        let told = format!("during query; no {source}: this is why");
        assert!(verdict.summary.contains(&told), "{}", verdict.summary);
        let mut whole = good();
        whole.evidence.missing.push(missing);
        assert_eq!(judge(&whole, None).status, Status::Pass, "{source}");
    }
}
