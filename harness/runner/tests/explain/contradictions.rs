//! Evidence that contradicts itself, and records that are none.

use meshproof_record::Cause;
use meshproof_runner::{Confidence, Shape, explain};
use serde_json::json;

use crate::support::{Recorded, recorded};

fn inconclusive(record: &Recorded) -> String {
    let explained = record.explain(Shape::AsRecorded);
    assert_eq!(
        explained.confidence,
        Confidence::Inconclusive,
        "{}: {explained:#?}",
        record.id
    );
    assert_eq!((explained.hop, explained.cause), (None, None));
    assert!(!explained.contradictions.is_empty());
    explained.sentence
}

#[test]
fn nothing_certain_is_said_against_other_evidence() {
    let mut told = Vec::new();

    let mut rows_without_statements = recorded("ok");
    rows_without_statements.evidence["mysqld"]["Questions"] = 2.into();
    told.push(inconclusive(&rows_without_statements));

    let mut refused_with_statements = recorded("client-cert-expired-13");
    refused_with_statements.evidence["mysqld"]["Questions"] = 4.into();
    told.push(inconclusive(&refused_with_statements));

    let mut refused_behind_the_greeting = recorded("client-cert-expired-13");
    refused_behind_the_greeting.evidence["client"] =
        recorded("deny-server").evidence["client"].clone();
    told.push(inconclusive(&refused_behind_the_greeting));

    let mut two_reasons = recorded("client-cert-expired-13");
    two_reasons.evidence["logs"]["client"] =
        recorded("subset-missing").evidence["logs"]["client"].clone();
    told.push(inconclusive(&two_reasons));

    let mut rows_in_spite_of_a_reason = recorded("ok");
    rows_in_spite_of_a_reason.evidence["logs"]["ingress"] =
        recorded("client-cert-expired-13").evidence["logs"]["ingress"].clone();
    told.push(inconclusive(&rows_in_spite_of_a_reason));

    let mut another_alert = recorded("unmeshed-tls13-no-cert");
    another_alert.evidence["client"] =
        recorded("unmeshed-tls13-unknown-ca").evidence["client"].clone();
    told.push(inconclusive(&another_alert));

    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_reset_without_a_reason_is_no_answer() {
    let mut record = recorded("sni-foreign");
    record.lines("ingress").clear();
    let explained = record.explain(Shape::AsRecorded);
    assert_eq!(explained.confidence, Confidence::CannotBeTold);
}

#[test]
fn a_refused_connection_leaves_open_who_refused() {
    let mut record = recorded("unmeshed-13306");
    record.evidence["client"]["stderr"] =
        "ERROR 2003 (HY000): Can't connect to MySQL server on 'h:13306' (111)\n".into();
    let explained = record.explain(Shape::AsRecorded);
    assert_eq!(explained.confidence, Confidence::CannotBeTold);
    assert_eq!(explained.fits.len(), 2);
}

#[test]
fn a_gateway_without_addresses_of_an_outside_host_leaves_open_why() {
    let mut record = recorded("sni-none");
    record.lines("ingress").clear();
    let unresolved = record.lines("egress")[0]
        .as_str()
        .unwrap()
        .replace("UF,URX", "UH");
    record.lines("egress")[0] = unresolved
        .replace(
            "TLS_error:|33554536:system_library:OPENSSL_internal:Connection_reset_by_peer:TLS_error_end",
            "-",
        )
        .into();
    let cut = record.lines("client")[0]
        .as_str()
        .unwrap()
        .replace("0 - - - \"-\"", "0 UF,URX - - \"-\"");
    record.lines("client")[0] = cut.into();
    let explained = record.explain(Shape::AsRecorded);
    assert_eq!(explained.confidence, Confidence::CannotBeTold);
    let causes: Vec<Cause> = explained.fits.iter().map(|fit| fit.cause).collect();
    assert_eq!(causes, [Cause::Dns, Cause::NoEndpoint], "{explained:#?}");
    assert_eq!(explained.needs.len(), 1);
}

#[test]
fn a_timeout_of_tcp_behind_a_sidecar_is_no_drop() {
    let mut record = recorded("ingress-port-missing");
    record.evidence["client"]["stderr"] =
        "ERROR 2002 (HY000): Can't connect to server on 'h' (110)\n".into();
    let explained = record.explain(Shape::AsRecorded);
    assert_eq!(explained.confidence, Confidence::CannotBeTold);
}

#[test]
fn what_is_no_record_is_refused_by_name() {
    let good = || recorded("ok").evidence;
    let mut told = Vec::new();
    let mut refused = |record: String| {
        let error = explain(&record, Shape::AsRecorded).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        told.push(format!("{error}: {}", source.unwrap_or_default()));
    };
    refused("{".to_owned());
    refused("[]".to_owned());
    for (key, value) in [
        ("speaks", json!("postgres")),
        ("unheard", json!(1)),
        ("mysqld", json!({"Questions": 1, "Connections": 1})),
        ("logs", json!({"waypoint": []})),
        ("logs", json!({"egress": ["no such line"]})),
    ] {
        let mut record = good();
        record[key] = value;
        refused(record.to_string());
    }
    insta::assert_snapshot!(told.join("\n"));
}
