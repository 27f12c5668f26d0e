//! Paths of recorded sessions, and what each leg shows.
#![allow(clippy::unwrap_used)]

mod support;

use meshproof_evidence::stitch::{BreakKind, JoinedBy};
use meshproof_evidence::{HopLogs, LegProof, SessionPath, prove_legs, stitch};
use meshproof_record::{Hop, Outcome, Protection};

fn only(logs: &HopLogs) -> SessionPath<'_> {
    let stitched = stitch(logs);
    assert_eq!(
        (stitched.sessions.len(), stitched.strays.len()),
        (1, 0),
        "{stitched:?}"
    );
    stitched.sessions.into_iter().next().unwrap()
}

fn told(proofs: &[LegProof]) -> String {
    let leg = |p: &LegProof| {
        format!(
            "{:?} -> {:?}\n  encrypted {}\n  mutual {}",
            p.from, p.to, p.encrypted, p.mutual
        )
    };
    proofs.iter().map(leg).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_connected_session_of_the_tutorials_path_stitches() {
    let mut count = 0;
    for recorded in support::text() {
        if recorded.truth.outcome != Outcome::Connected || !recorded.logs.contains_key("client") {
            continue;
        }
        if recorded.logs["client"].is_empty() {
            continue;
        }
        for logs in [recorded.full(), recorded.default_format()] {
            let stitched = stitch(&logs);
            assert_eq!(
                stitched.sessions.len(),
                recorded.logs["client"].len(),
                "{}",
                recorded.id
            );
            assert!(stitched.strays.is_empty(), "{}", recorded.id);
            assert!(
                stitched.sessions.iter().all(SessionPath::is_complete),
                "{}: {stitched:?}",
                recorded.id
            );
        }
        count += 1;
    }
    assert_eq!(count, 13);
}

#[test]
fn sessions_in_a_row_are_kept_apart() {
    let logs = support::text_of("ok-client-ssl-off-and-many").full();
    let stitched = stitch(&logs);
    assert_eq!(stitched.sessions.len(), 3);
    for (index, session) in stitched.sessions.iter().enumerate() {
        for hop in meshproof_evidence::PATH {
            assert_eq!(session.line(hop), Some(&logs[&hop][index]));
        }
        assert!(matches!(
            session.steps[1].joined,
            Some(JoinedBy::Address(_))
        ));
        assert!(matches!(
            session.steps[2].joined,
            Some(JoinedBy::Circumstances { .. })
        ));
    }
}

#[test]
fn sessions_that_cannot_be_told_apart_are_reported() {
    let one = support::text_of("ok").full();
    let twice: HopLogs = one
        .iter()
        .map(|(hop, lines)| (*hop, vec![lines[0].clone(), lines[0].clone()]))
        .collect();
    for session in stitch(&twice).sessions {
        assert_eq!(session.broken.unwrap().kind, BreakKind::Ambiguous);
    }
    let mut two_ingress = one.clone();
    let mut other = one[&Hop::Ingress][0].clone();
    other.upstream_local = "10.18.0.5:1"
        .parse()
        .map(meshproof_evidence::Logged::Value)
        .unwrap();
    two_ingress.get_mut(&Hop::Ingress).unwrap().push(other);
    let stitched = stitch(&two_ingress);
    let broken = stitched.sessions[0].broken.as_ref().unwrap();
    assert_eq!(
        (broken.after, broken.kind, broken.candidates.len()),
        (Hop::Egress, BreakKind::Ambiguous, 2)
    );
    assert_eq!(stitched.strays.len(), 2);
}

#[test]
fn clocks_that_differ_by_more_than_a_session_lasts_leave_an_ambiguity() {
    let mut logs = support::text_of("ok-client-ssl-off-and-many").full();
    for hop in [Hop::Ingress, Hop::ServerSidecar] {
        for line in logs.get_mut(&hop).unwrap() {
            let start = *line.start.value().unwrap();
            line.start =
                meshproof_evidence::Logged::Value(start + std::time::Duration::from_millis(70));
        }
    }
    for session in stitch(&logs).sessions {
        assert_eq!(session.broken.unwrap().kind, BreakKind::Ambiguous);
    }
    // One session alone has only one line that it can be.
    let alone: HopLogs = logs
        .into_iter()
        .map(|(hop, lines)| (hop, lines[..1].to_vec()))
        .collect();
    assert!(only(&alone).is_complete());
}

#[test]
fn the_tutorials_lines_do_not_stitch() {
    let logs = support::tutorial();
    let stitched = stitch(&logs);
    let session = &stitched.sessions[0];
    assert_eq!(session.steps.len(), 2);
    insta::assert_snapshot!(session.broken.as_ref().unwrap());
    assert_eq!(stitched.strays.len(), 2);
    insta::assert_snapshot!(stitched.strays[0].broken.as_ref().unwrap());
}

#[test]
fn breaks_name_the_hop() {
    let broken = |id: &str| {
        let logs = support::text_of(id).full();
        let stitched = stitch(&logs);
        let first = stitched
            .sessions
            .first()
            .or(stitched.strays.first())
            .unwrap();
        first.broken.as_ref().unwrap().to_string()
    };
    let ids = [
        "hosts-egress",
        "server-cert-expired-13",
        "sni-foreign",
        "plain-origination",
        "unmeshed-13306-speaks",
    ];
    let all: Vec<String> = ids
        .into_iter()
        .map(|id| format!("{id}: {}", broken(id)))
        .collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn all_legs_of_the_tutorial_are_mutual() {
    let logs = support::text_of("ok").full();
    let proofs = prove_legs(&only(&logs));
    assert!(
        proofs
            .iter()
            .all(|proof| proof.protection() == Some(Protection::Mutual))
    );
    insta::assert_snapshot!(told(&proofs));
}

#[test]
fn a_plaintext_third_leg_is_seen_although_sql_works() {
    let logs = support::text_of("through-disable").full();
    let proofs = prove_legs(&only(&logs));
    assert_eq!(proofs[1].protection(), Some(Protection::Mutual));
    assert_eq!(proofs[2].protection(), Some(Protection::None));
    insta::assert_snapshot!(told(&proofs));
}

#[test]
fn what_the_default_format_lacks_is_unknown() {
    for id in ["ok", "through-disable"] {
        let logs = support::text_of(id).default_format();
        let proofs = prove_legs(&only(&logs));
        assert!(
            proofs.iter().all(|proof| proof.protection().is_none()),
            "{id}"
        );
        insta::assert_snapshot!(format!("default-{id}"), told(&proofs));
    }
}

#[test]
fn a_refused_certificate_proves_nothing() {
    for recorded in support::text() {
        if recorded.truth.outcome == Outcome::Connected || !recorded.id.starts_with("client-cert") {
            continue;
        }
        for path in stitch(&recorded.full()).sessions {
            let proofs = prove_legs(&path);
            assert!(
                proofs
                    .iter()
                    .all(|proof| proof.protection() != Some(Protection::Mutual)),
                "{}",
                recorded.id
            );
        }
    }
}

#[test]
fn a_sender_without_certificate_is_server_only() {
    let mut logs = support::text_of("ok").full();
    let line = &mut logs.get_mut(&Hop::Ingress).unwrap()[0];
    line.peer_subject = meshproof_evidence::Logged::Absent;
    let proofs = prove_legs(&only(&logs));
    assert_eq!(proofs[1].protection(), Some(Protection::ServerOnly));
}
