//! The recordings that only the wire tells, with what was on it, and everything that must stay silent.

use meshproof_evidence::wire::{Capture, examine};
use meshproof_record::{Cause, Hop, Observed, Outcome, WireEvidence, WireOpening, WireSpeech};
use serde_json::{Value, json};

use crate::{Confidence, Explained, Shape, explain};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../evidence/tests/data");

fn captured(name: &str) -> WireEvidence {
    let bytes = std::fs::read(format!("{DATA}/wire/{name}.pcap")).unwrap();
    examine(Capture::read(&bytes).unwrap().iter(), &[])
}

/// A session with TLS has shown before what the address wants.
fn with_control(name: &str) -> WireEvidence {
    let mut wire = captured(name);
    wire.tls_servers = captured("ok-13").tls_servers;
    assert_eq!(wire.tls_servers.len(), 1);
    wire
}

/// A recorded failure, and what was true of it.
fn failure(id: &str) -> (Value, Observed) {
    let text = std::fs::read_to_string(format!("{DATA}/failures/istio-1.32-envoy-1.40.jsonl"));
    let mut records = text
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect::<Vec<Value>>()
        .into_iter();
    let mut record = records.find(|record| record["id"] == id).unwrap();
    let mut truth = record.as_object_mut().unwrap().remove("truth").unwrap();
    truth.as_object_mut().unwrap().remove("told_by");
    (record, serde_json::from_value(truth).unwrap())
}

fn explained(record: &Value, wire: &WireEvidence) -> Explained {
    let mut record = record.clone();
    record["wire"] = json!(wire);
    let full = explain(&record.to_string(), Shape::AsRecorded).unwrap();
    let default = explain(&record.to_string(), Shape::Default).unwrap();
    // With less to see, the same or nothing.
    assert!(default.hop.is_none() || (full.hop, full.cause) == (default.hop, default.cause));
    full
}

fn answer(explained: &Explained) -> Option<Observed> {
    let (Some(outcome), Some(hop), Some(cause)) =
        (explained.outcome, explained.hop, explained.cause)
    else {
        return None;
    };
    Some(Observed {
        outcome,
        hop,
        cause,
    })
}

const NOT_TLS: [&str; 4] = [
    "plain-origination",
    "rule-wrong-namespace",
    "no-egress-plaintext",
    "unmeshed-13306",
];

#[test]
fn silence_where_tls_is_wanted_is_told() {
    for id in NOT_TLS {
        let (record, truth) = failure(id);
        let explained = explained(&record, &with_control("unmeshed-plain-silent"));
        assert_eq!(answer(&explained), Some(truth), "{id}: {explained:#?}");
        assert!(
            explained.sentence.contains("answers those that open TLS"),
            "{}",
            explained.sentence
        );
    }
}

#[test]
fn silence_alone_leaves_a_server_that_hangs() {
    for id in NOT_TLS {
        let (record, truth) = failure(id);
        let explained = explained(&record, &captured("unmeshed-plain-silent"));
        assert_eq!(explained.confidence, Confidence::CannotBeTold, "{id}");
        assert!(explained.fits.contains(&truth), "{id}: {explained:#?}");
        let hangs = Observed {
            hop: Hop::Mysqld,
            cause: Cause::NoGreeting,
            ..truth
        };
        assert!(explained.fits.contains(&hangs), "{id}");
        assert!(explained.needs[0].contains("TLS"), "{:?}", explained.needs);
    }
}

#[test]
fn a_gateway_that_hangs_up_after_its_wait_is_told_without_a_control() {
    let (record, truth) = failure("unmeshed-13306");
    let mut wire = captured("unmeshed-plain-silent");
    for (after, told) in [
        (15_002.0, true),
        (6_000.0, false),
        (60_000.0, false),
        (15_900.0, true),
    ] {
        let connection = &mut wire.connections[0];
        connection.from_server.fin_ms = Some(after);
        connection.from_client.fin_ms = Some(after + 1.0);
        let explained = explained(&record, &wire);
        assert_eq!(
            answer(&explained) == Some(truth),
            told,
            "{after}: {explained:#?}"
        );
    }
}

#[test]
fn plain_bytes_that_are_hung_up_on_are_told_where_tls_is_wanted() {
    let (record, truth) = failure("unmeshed-13306");
    let mut wire = captured("sni-foreign");
    let connection = &mut wire.connections[0];
    connection.tls = None;
    connection.from_client.speaks = WireSpeech::Other;
    // A way in clear to a database that is not there hangs up as well.
    let alone = explained(&record, &wire);
    assert_eq!(answer(&alone), None);
    assert!(alone.fits.contains(&truth), "{alone:#?}");
    wire.tls_servers = vec![wire.connections[0].server];
    assert_eq!(answer(&explained(&record, &wire)), Some(truth));
    // Whoever had an answer was heard.
    wire.connections[0].from_server.speaks = WireSpeech::Other;
    assert_eq!(answer(&explained(&record, &wire)), None);
    // And a hello is no plaintext.
    let mut hello = captured("sni-foreign");
    hello.tls_servers = vec![hello.connections[0].server];
    assert_eq!(answer(&explained(&record, &hello)), None);
}

#[test]
fn a_call_that_nobody_answers_is_told() {
    let (record, truth) = failure("ingress-port-missing");
    let explained = explained(&record, &captured("unmeshed-3306"));
    assert_eq!(answer(&explained), Some(truth), "{explained:#?}");
    assert_eq!(truth.outcome, Outcome::Unreachable);
    assert!(
        explained.sentence.contains("6 SYN packets"),
        "{}",
        explained.sentence
    );
}

#[test]
fn one_syn_may_be_under_way() {
    let (record, _) = failure("ingress-port-missing");
    let mut wire = captured("unmeshed-3306");
    wire.connections[0].syns = 1;
    assert_eq!(answer(&explained(&record, &wire)), None);
}

#[test]
fn a_capture_with_gaps_tells_of_no_silence() {
    for (id, name) in [
        ("unmeshed-13306", "unmeshed-plain-silent"),
        ("ingress-port-missing", "unmeshed-3306"),
    ] {
        let (record, _) = failure(id);
        let mut wire = with_control(name);
        wire.dropped = 1;
        let explained = explained(&record, &wire);
        assert_eq!(answer(&explained), None, "{id}");
        let said = explained
            .evidence
            .iter()
            .find(|shown| shown.source == "wire")
            .unwrap();
        assert!(said.shows.contains("not captured"), "{said:?}");
    }
}

#[test]
fn a_moment_of_silence_is_no_answer() {
    let (record, _) = failure("unmeshed-13306");
    let mut wire = with_control("unmeshed-plain-silent");
    let connection = &mut wire.connections[0];
    connection.from_client.fin_ms = Some(20.0);
    connection.from_server.fin_ms = Some(20.1);
    assert_eq!(answer(&explained(&record, &wire)), None);
    // And an open connection has not ended yet.
    wire.connections[0].from_client.fin_ms = None;
    wire.connections[0].from_server.fin_ms = None;
    assert_eq!(answer(&explained(&record, &wire)), None);
}

#[test]
fn connections_that_disagree_tell_nothing() {
    let (record, _) = failure("unmeshed-13306");
    let mut wire = with_control("unmeshed-plain-silent");
    wire.connections.extend(captured("ok-13").connections);
    assert_eq!(answer(&explained(&record, &wire)), None);
    // One from before is none of the session's.
    wire.connections[1].opening = WireOpening::MidStream;
    assert!(answer(&explained(&record, &wire)).is_some());
    wire.connections.clear();
    assert_eq!(answer(&explained(&record, &wire)), None);
}

#[test]
fn connections_that_may_be_anothers_tell_nothing() {
    for (id, name) in [
        ("unmeshed-13306", "unmeshed-plain-silent"),
        ("ingress-port-missing", "unmeshed-3306"),
    ] {
        let (record, _) = failure(id);
        let mut wire = with_control(name);
        assert!(answer(&explained(&record, &wire)).is_some());
        wire.shared = true;
        assert_eq!(answer(&explained(&record, &wire)), None, "{id}");
    }
}

#[test]
fn a_session_elsewhere_is_not_told_by_the_link() {
    let (record, truth) = failure("inside-unmeshed-strict");
    let found = answer(&explained(&record, &with_control("unmeshed-plain-silent")));
    assert_ne!(found.map(|found| found.hop), Some(Hop::Ingress));
    assert!(found.is_none_or(|found| found == truth));
}

#[test]
fn alerts_in_clear_are_told_with_the_default_format() {
    let (record, truth) = failure("client-cert-none-12");
    let mut blind = record.clone();
    // Without any line, only the wire tells.
    for hop in ["client", "egress", "ingress", "server"] {
        blind["logs"][hop] = json!([]);
    }
    assert_eq!(
        answer(&explain(&blind.to_string(), Shape::Default).unwrap()),
        None
    );
    for record in [record, blind] {
        let explained = explained(&record, &captured("client-cert-none-12"));
        assert_eq!(answer(&explained), Some(truth), "{explained:#?}");
    }
}

#[test]
fn one_alert_for_two_causes_is_no_certainty() {
    let (mut record, truth) = failure("client-cert-expired-12");
    let with_lines = explained(&record, &captured("client-cert-expired-12"));
    assert_eq!(answer(&with_lines), Some(truth), "{with_lines:#?}");
    for hop in ["client", "egress", "ingress", "server"] {
        record["logs"][hop] = json!([]);
    }
    let alone = explained(&record, &captured("client-cert-expired-12"));
    assert_eq!(answer(&alone), None);
    let causes: Vec<Cause> = alone.fits.iter().map(|fit| fit.cause).collect();
    assert_eq!(causes, [Cause::Expired, Cause::NotYetValid]);
}

#[test]
fn encrypted_alerts_say_nothing() {
    for (id, name) in [
        ("client-cert-none-13", "client-cert-none-13"),
        ("server-cert-expired-13", "server-cert-unknown-ca-13"),
    ] {
        let (record, truth) = failure(id);
        let mut blind = record.clone();
        for hop in ["client", "egress", "ingress", "server"] {
            blind["logs"][hop] = json!([]);
        }
        assert_eq!(answer(&explained(&blind, &captured(name))), None, "{id}");
        assert_eq!(
            answer(&explained(&record, &captured(name))),
            Some(truth),
            "{id}"
        );
    }
}

#[test]
fn nothing_on_the_wire_makes_a_recording_wrong() {
    let text =
        std::fs::read_to_string(format!("{DATA}/failures/istio-1.32-envoy-1.40.jsonl")).unwrap();
    let ids = text.lines().map(|line| {
        let record: Value = serde_json::from_str(line).unwrap();
        record["id"].as_str().unwrap().to_owned()
    });
    // Each with what really crossed then, where it was captured.
    for id in ids.collect::<Vec<_>>() {
        let path = format!("{DATA}/wire/{id}.pcap");
        if !std::path::Path::new(&path).exists() {
            continue;
        }
        let (record, truth) = failure(&id);
        let explained = explained(&record, &captured(&id));
        assert!(
            answer(&explained).is_none_or(|found| found == truth),
            "{id}: {explained:#?}"
        );
        assert_eq!(explained.contradictions, Vec::<String>::new(), "{id}");
    }
}

#[test]
fn what_contradicts_is_inconclusive() {
    let (record, _) = failure("ok");
    let explained = explained(&record, &with_control("unmeshed-plain-silent"));
    assert_eq!(explained.confidence, Confidence::Inconclusive);
    assert!(
        explained.contradictions[0].contains("not-tls"),
        "{explained:#?}"
    );
}
