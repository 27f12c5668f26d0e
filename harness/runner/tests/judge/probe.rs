//! The judge on sessions whose client was the prober.

use meshproof_record::{CaseRecord, Cause, Hop, NetworkEvidence, Outcome, Status};
use meshproof_runner::judge;
use serde_json::{Value, json};

use crate::support::{expects, recorded, refused, silence};

/// A report of TLS to the ingress gateway, with what is put over it.
fn report(change: Value) -> Value {
    let mut report = json!({
        "host": "203.0.113.10.nip.io", "port": 13306, "opening": "tls",
        "dns": {"ms": 0.2, "addresses": ["203.0.113.10"]},
        "tcp": [{"ms": 0.1, "address": "203.0.113.10:13306", "end": "connected"}],
        "end": "closed-by-peer", "hold_ms": 200, "ms": 4.0,
    });
    for (key, value) in change.as_object().unwrap() {
        report[key] = value.clone();
    }
    report
}

fn tls(alert: Option<u8>) -> Value {
    let mut tls = json!({"ms": 2.0, "offered": "1.3", "finished": true, "version": "1.3",
        "asked_for_certificate": true, "certificate_sent": false});
    if let Some(number) = alert {
        tls["alert_received"] = json!({"level": "fatal", "number": number, "name": "certificate-required",
            "ms": 2.1, "after_finish": true});
    }
    tls
}

fn greeting() -> Value {
    json!({"ms": 1.0, "count": 78, "hex": "4a0000000a", "what": "mysql-greeting", "protected": true})
}

fn with(mut case: CaseRecord, report: &Value) -> CaseRecord {
    "tls".clone_into(&mut case.speaks);
    let client = case.evidence.client.as_mut().unwrap();
    client.command = meshproof_probe::Request::command();
    (client.exit, client.stdout, client.stderr) = (Some(0), report.to_string(), String::new());
    case
}

/// A pod without a sidecar, without a certificate, at the ingress gateway.
fn bare(report: &Value) -> CaseRecord {
    let expectation = refused(Outcome::Refused, Hop::Ingress, Cause::NoClientCertificate);
    with(recorded("unmeshed-tls13-no-cert").case(expectation), report)
}

/// The same, with logs that tell nothing of the downstream.
fn blind(report: &Value) -> CaseRecord {
    let mut case = bare(report);
    for log in case.evidence.logs.values_mut() {
        log.format = meshproof_evidence::BuiltIn::Text.format_string();
        for line in &mut log.lines {
            *line = line.split(" | ").next().unwrap().to_owned();
        }
    }
    case
}

fn status(case: &CaseRecord) -> Status {
    judge(case, Some(Status::Pass)).status
}

#[test]
fn an_alert_settles_what_the_logs_hide() {
    let heard = blind(&report(json!({"tls": tls(Some(116))})));
    let verdict = judge(&heard, Some(Status::Pass));
    assert_eq!(verdict.status, Status::Pass, "{verdict:#?}");
    let deaf = blind(&report(json!({"tls": tls(None)})));
    assert_eq!(status(&deaf), Status::Inconclusive);
    let other = blind(&report(json!({"tls": tls(Some(70))})));
    assert_eq!(status(&other), Status::Fail);
}

/// What another case left at the egress gateway does not make it the one who sent the alert.
#[test]
fn lines_of_other_sessions_do_not_name_the_sender_of_an_alert() {
    let mut case = blind(&report(json!({"tls": tls(Some(116))})));
    let other = recorded("ok").case(expects(Outcome::Connected, None, None));
    let mut egress = other.evidence.logs[&Hop::Egress].clone();
    egress
        .format
        .clone_from(&case.evidence.logs[&Hop::Ingress].format);
    for line in &mut egress.lines {
        *line = line.split(" | ").next().unwrap().to_owned();
    }
    case.evidence.logs.insert(Hop::Egress, egress);
    let verdict = judge(&case, Some(Status::Pass));
    assert_eq!(verdict.status, Status::Pass, "{verdict:#?}");
    // Without a line at the port that was dialled nobody is named.
    silence(&mut case, Hop::Ingress);
    assert_eq!(status(&case), Status::Inconclusive);
}

#[test]
fn a_greeting_is_a_breach() {
    let through = bare(&report(
        json!({"tls": tls(None), "first_bytes": greeting(), "end": "closed-by-prober"}),
    ));
    assert_eq!(status(&through), Status::Fail);
    let mut policy = through;
    policy.expectation = expects(Outcome::Refused, None, Some(Cause::PolicyDenied));
    let verdict = judge(&policy, Some(Status::Pass));
    let check = verdict
        .checks
        .iter()
        .find(|check| check.what.contains("greeting"))
        .unwrap();
    assert_eq!(check.status, Status::Pass, "{verdict:#?}");
}

/// Whether anything then became of a session in an old version does not matter.
#[test]
fn a_version_that_the_server_chose_is_not_refused() {
    let case = |tls: Value| {
        let expectation = refused(Outcome::Refused, Hop::Ingress, Cause::ProtocolVersion);
        let report = report(json!({"tls": tls}));
        status(&with(recorded("unmeshed-tls11").case(expectation), &report))
    };
    let mut refused = tls(Some(70));
    (refused["version"], refused["finished"]) = (Value::Null, false.into());
    assert_eq!(case(refused), Status::Pass);
    let mut chosen = tls(None);
    (chosen["version"], chosen["offered"]) = ("1.1".into(), "1.1".into());
    assert_eq!(case(chosen), Status::Fail);
}

/// A hello that is none is no TLS without a server name.
#[test]
fn a_malformed_hello_is_no_tls() {
    let case = |offered: &str, cause: Cause| {
        let mut tls = tls(None);
        (tls["version"], tls["finished"]) = (Value::Null, false.into());
        tls["offered"] = offered.into();
        let mut case = blind(&report(json!({"tls": tls, "end": "reset-by-peer"})));
        case.expectation = refused(Outcome::Refused, Hop::Ingress, cause);
        let spoken = recorded("unmeshed-13306-speaks").case(case.expectation.clone());
        let ingress = &spoken.evidence.logs[&Hop::Ingress].lines;
        // Its line without the reason, as Istio's default format has it.
        let lines = ingress
            .iter()
            .map(|line| line.split(" | ").next().unwrap().to_owned());
        case.evidence.logs.get_mut(&Hop::Ingress).unwrap().lines = lines.collect();
        status(&case)
    };
    assert_eq!(case("wrong-length", Cause::NotTls), Status::Pass);
    assert_eq!(case("1.3", Cause::NotTls), Status::Fail);
    assert_eq!(case("1.3", Cause::SniMismatch), Status::Pass);
}

#[test]
fn a_prober_that_died_proves_nothing() {
    let mut died = bare(&report(json!({"tls": tls(Some(116))})));
    let client = died.evidence.client.as_mut().unwrap();
    (client.exit, client.stderr) = (Some(137), "Killed".to_owned());
    let verdict = judge(&died, Some(Status::Pass));
    assert_eq!(verdict.status, Status::Inconclusive, "{verdict:#?}");
    let client = died.evidence.client.as_mut().unwrap();
    (client.exit, client.stopped) = (None, Some("it did not end within 10 s".to_owned()));
    assert_eq!(status(&died), Status::Inconclusive);
}

#[test]
fn a_prober_must_get_the_greeting_to_be_connected() {
    let good = |report: &Value| {
        let case =
            recorded("unmeshed-tls13-good-cert").case(expects(Outcome::Connected, None, None));
        let mut case = with(case, report);
        case.control = None;
        judge(&case, None).status
    };
    let through = json!({"tls": tls(None), "first_bytes": greeting(), "end": "closed-by-prober"});
    assert_eq!(good(&report(through)), Status::Pass);
    assert_eq!(
        good(&report(json!({"tls": tls(None), "end": "held"}))),
        Status::Fail
    );
    assert_eq!(good(&report(json!({"tls": tls(Some(116))}))), Status::Fail);
}

#[test]
fn a_drop_that_the_router_counted_is_told_by_a_prober_too() {
    let expectation = refused(Outcome::Unreachable, Hop::Network, Cause::Dropped);
    let case = |end: &str| {
        let tcp = json!([{"ms": 1000.0, "address": "203.0.113.10:3306", "end": end, "error": "its words"}]);
        let report =
            report(json!({"opening": "silent", "port": 3306, "tcp": tcp, "end": "not-connected"}));
        let mut case = with(recorded("unmeshed-3306").case(expectation.clone()), &report);
        case.evidence.network = Some(NetworkEvidence {
            syns: 1,
            drops: 1,
            counted_by: "kube-system/router".to_owned(),
        });
        status(&case)
    };
    assert_eq!(case("timed-out"), Status::Pass);
    assert_ne!(case("refused"), Status::Pass);
}
