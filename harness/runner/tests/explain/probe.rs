//! Recorded sessions whose client was the prober.

use meshproof_record::{
    Cause, Hop, Observed, Outcome, ProbeAlert, ProbeBytes, ProbeDns, ProbeEnd, ProbeFirst,
    ProbeLevel, ProbeOpening, ProbeReport, ProbeTcp, ProbeTcpEnd, ProbeTls,
};
use meshproof_runner::{Confidence, Explained, Shape, explain};
use serde_json::json;

use crate::support::{HOPS, Recorded, SHAPES, observed, recorded};

/// A connection that stood and was closed without a word.
fn closed(tls: Option<ProbeTls>) -> ProbeReport {
    ProbeReport {
        host: "203.0.113.10.nip.io".to_owned(),
        port: 13306,
        opening: tls
            .as_ref()
            .map_or(ProbeOpening::Silent, |_| ProbeOpening::Tls),
        dns: ProbeDns {
            ms: 0.2,
            addresses: vec!["203.0.113.10".to_owned()],
            error: None,
        },
        tcp: vec![tcp(ProbeTcpEnd::Connected)],
        tls,
        first_bytes: None,
        end: ProbeEnd::ClosedByPeer,
        hold_ms: 200,
        ms: 4.0,
    }
}

fn tcp(end: ProbeTcpEnd) -> ProbeTcp {
    ProbeTcp {
        ms: 0.1,
        address: "203.0.113.10:13306".to_owned(),
        end,
        error: (end != ProbeTcpEnd::Connected).then(|| "the system's words".to_owned()),
    }
}

fn not_connected(end: ProbeTcpEnd) -> ProbeReport {
    ProbeReport {
        tcp: vec![tcp(end)],
        end: ProbeEnd::NotConnected,
        ..closed(None)
    }
}

/// TLS 1.3 whose handshake finished on the client's side.
fn tls(alert: Option<u8>, sent: bool) -> ProbeTls {
    ProbeTls {
        finished: true,
        version: Some("1.3".to_owned()),
        asked_for_certificate: Some(true),
        certificate_sent: sent,
        alert_received: alert.map(|number| ProbeAlert {
            level: ProbeLevel::Fatal,
            number,
            name: "a-name".to_owned(),
            ms: 2.0,
            after_finish: true,
        }),
        ..ProbeTls::default()
    }
}

fn with_first(mut report: ProbeReport, what: ProbeFirst, protected: bool) -> ProbeReport {
    report.first_bytes = Some(ProbeBytes {
        ms: 1.0,
        count: 78,
        hex: String::new(),
        what,
        protected,
    });
    report.end = ProbeEnd::ClosedByProber;
    report
}

/// A recording with another client.
fn record(id: &str, report: &ProbeReport) -> Recorded {
    let mut record = recorded(id);
    let stdout = serde_json::to_string(report).unwrap() + "\n";
    record.evidence["client"] = json!({"exit": 0, "stdout": stdout, "stderr": "", "seconds": 0.1});
    record
}

fn silent(id: &str, report: &ProbeReport) -> Recorded {
    let mut record = record(id, report);
    for hop in HOPS {
        record.lines(hop).clear();
    }
    record
}

fn certain(explained: &Explained) -> (Outcome, Hop, Cause) {
    let Some(Observed {
        outcome,
        hop,
        cause,
    }) = observed(explained)
    else {
        panic!("{explained:#?}");
    };
    (outcome, hop, cause)
}

#[test]
fn an_alert_tells_what_the_default_format_hides() {
    for (id, number, sent) in [
        ("unmeshed-tls13-no-cert", 116, false),
        ("unmeshed-tls13-unknown-ca", 48, true),
    ] {
        let heard = record(id, &closed(Some(tls(Some(number), sent))));
        let deaf = record(id, &closed(Some(tls(None, sent))));
        for shape in SHAPES {
            let truth = (heard.truth.outcome, heard.truth.hop, heard.truth.cause);
            assert_eq!(certain(&heard.explain(shape)), truth, "{id} {shape:?}");
            deaf.is_not_wrong(shape);
        }
        let open = deaf.explain(Shape::Default);
        assert_eq!(open.confidence, Confidence::CannotBeTold, "{open:#?}");
    }
}

#[test]
fn an_old_version_is_refused_by_its_alert() {
    let mut hello = tls(Some(70), false);
    (hello.finished, hello.asked_for_certificate) = (false, None);
    let record = record("unmeshed-tls11", &closed(Some(hello)));
    for shape in SHAPES {
        let found = certain(&record.explain(shape));
        assert_eq!(
            found,
            (Outcome::Refused, Hop::Ingress, Cause::ProtocolVersion)
        );
    }
}

#[test]
fn a_greeting_is_a_way_in() {
    let report = with_first(
        closed(Some(tls(None, true))),
        ProbeFirst::MysqlGreeting,
        true,
    );
    let record = record("unmeshed-tls13-good-cert", &report);
    for shape in SHAPES {
        let explained = record.explain(shape);
        assert_eq!(
            certain(&explained),
            (Outcome::Connected, Hop::None, Cause::None)
        );
    }
    let error = with_first(closed(Some(tls(None, true))), ProbeFirst::MysqlError, true);
    let explained = silent("unmeshed-tls13-good-cert", &error).explain(Shape::AsRecorded);
    assert_eq!(
        explained.confidence,
        Confidence::CannotBeTold,
        "{explained:#?}"
    );
}

#[test]
fn a_greeting_in_answer_to_tls_is_plaintext_for_a_tls_client() {
    let mut answered = tls(None, false);
    (answered.finished, answered.version) = (false, None);
    answered.answered_in_plaintext = true;
    let report = with_first(closed(Some(answered)), ProbeFirst::MysqlGreeting, false);
    let explained = silent("unmeshed-tls11", &report).explain(Shape::AsRecorded);
    let found = certain(&explained);
    assert_eq!(
        found,
        (Outcome::Refused, Hop::Client, Cause::TlsToPlaintext)
    );
}

#[test]
fn the_prober_may_refuse_the_server() {
    let mut refused = tls(None, false);
    refused.refused = Some(Cause::SanMismatch);
    let mut record = silent("unmeshed-tls11", &closed(Some(refused)));
    let found = certain(&record.explain(Shape::AsRecorded));
    assert_eq!(found, (Outcome::Refused, Hop::Client, Cause::SanMismatch));
    // With words of another on the same connection it is not certain any more.
    let other = recorded("unmeshed-tls13-no-cert").lines("ingress").clone();
    record.lines("ingress").clone_from(&other);
    let explained = record.explain(Shape::AsRecorded);
    assert_eq!(
        explained.confidence,
        Confidence::Inconclusive,
        "{explained:#?}"
    );
}

#[test]
fn silence_on_every_log_and_at_the_client_is_a_drop() {
    for end in [ProbeTcpEnd::TimedOut, ProbeTcpEnd::Unreachable] {
        let unanswered = silent("unmeshed-3306", &not_connected(end));
        let found = certain(&unanswered.explain(Shape::AsRecorded));
        assert_eq!(found, (Outcome::Unreachable, Hop::Network, Cause::Dropped));
    }
    let mut blind = silent("unmeshed-3306", &not_connected(ProbeTcpEnd::TimedOut));
    blind.evidence["logs"]
        .as_object_mut()
        .unwrap()
        .remove("ingress");
    let explained = blind.explain(Shape::AsRecorded);
    assert_eq!(
        explained.confidence,
        Confidence::CannotBeTold,
        "{explained:#?}"
    );
    // One that refuses is not silent.
    let mixed = ProbeReport {
        tcp: vec![tcp(ProbeTcpEnd::TimedOut), tcp(ProbeTcpEnd::Refused)],
        ..not_connected(ProbeTcpEnd::TimedOut)
    };
    let explained = silent("unmeshed-3306", &mixed).explain(Shape::AsRecorded);
    assert_eq!((observed(&explained), explained.fits.len()), (None, 0));
}

#[test]
fn a_refusal_of_tcp_is_somebody_s_without_a_listener() {
    let refused = silent("unmeshed-tls11", &not_connected(ProbeTcpEnd::Refused));
    let explained = refused.explain(Shape::AsRecorded);
    assert_eq!(explained.confidence, Confidence::CannotBeTold);
    let fits = |hop, cause| Observed {
        outcome: Outcome::Refused,
        hop,
        cause,
    };
    let network = fits(Hop::Network, Cause::Refused);
    let ingress = fits(Hop::Ingress, Cause::NoListener);
    assert_eq!(explained.fits, [network, ingress], "{explained:#?}");
}

#[test]
fn a_name_without_an_address_ends_at_the_client() {
    let mut report = not_connected(ProbeTcpEnd::TimedOut);
    report.tcp.clear();
    report.dns.error = Some("Name or service not known".to_owned());
    let unknown = silent("unmeshed-3306", &report);
    let found = certain(&unknown.explain(Shape::AsRecorded));
    assert_eq!(found, (Outcome::Unreachable, Hop::Client, Cause::Dns));
}

/// Through the ingress gateway with the right certificate, to a database that says nothing for 1971 ms.
fn ungreeted() -> (ProbeReport, Recorded) {
    let mut report = closed(Some(tls(None, true)));
    (report.end, report.hold_ms) = (ProbeEnd::Held, 1900);
    let mut record = record("unmeshed-tls13-good-cert", &report);
    for hop in ["ingress", "server"] {
        change(&mut record, hop, " 0 104 1971 ", " 0 0 1971 ");
    }
    (report, record)
}

fn change(record: &mut Recorded, hop: &str, from: &str, to: &str) {
    let line = &mut record.lines(hop)[0];
    let text = line.as_str().unwrap();
    assert!(text.contains(from), "{text}");
    *line = text.replace(from, to).into();
}

#[test]
fn a_database_that_never_greets_is_told_by_its_sidecar() {
    let (_, record) = ungreeted();
    for shape in SHAPES {
        let found = certain(&record.explain(shape));
        assert_eq!(
            found,
            (Outcome::Unreachable, Hop::Mysqld, Cause::NoGreeting)
        );
    }
}

#[test]
fn another_silence_is_not_the_database_s() {
    let open = |change: &dyn Fn(&mut ProbeReport, &mut Recorded)| {
        let (mut report, mut record) = ungreeted();
        change(&mut report, &mut record);
        let stdout = serde_json::to_string(&report).unwrap();
        record.evidence["client"]["stdout"] = stdout.into();
        let explained = record.explain(Shape::AsRecorded);
        assert_eq!(observed(&explained), None, "{explained:#?}");
    };
    open(&|report, _| report.end = ProbeEnd::ClosedByPeer);
    open(&|report, _| report.tls.as_mut().unwrap().finished = false);
    open(&|_, record| change(record, "server", " 0 0 1971 ", " 0 0 3 "));
    open(&|_, record| change(record, "server", " 0 0 1971 ", " 0 104 1971 "));
    open(&|_, record| record.lines("server").clear());
}

#[test]
fn a_closing_without_a_word_is_left_to_the_logs() {
    let open = silent("unmeshed-13306-speaks", &closed(None)).explain(Shape::AsRecorded);
    assert_eq!(open.confidence, Confidence::CannotBeTold);
    assert_eq!(open.fits, []);
    let told = record("unmeshed-13306-speaks", &closed(None)).explain(Shape::AsRecorded);
    assert_eq!(
        certain(&told),
        (Outcome::Refused, Hop::Ingress, Cause::NotTls)
    );
}

#[test]
fn a_refused_prober_whose_statements_were_counted_contradicts_itself() {
    let mut record = record(
        "unmeshed-tls13-no-cert",
        &closed(Some(tls(Some(116), false))),
    );
    record.evidence["mysqld"]["Questions"] = 5.into();
    let explained = record.explain(Shape::AsRecorded);
    assert_eq!(
        explained.confidence,
        Confidence::Inconclusive,
        "{explained:#?}"
    );
}

#[test]
fn a_report_that_is_cut_is_an_error() {
    let mut record = record("unmeshed-tls11", &closed(None));
    let stdout = record.evidence["client"]["stdout"].as_str().unwrap();
    record.evidence["client"]["stdout"] = stdout[..stdout.len() / 2].into();
    let error = explain(&record.evidence.to_string(), Shape::AsRecorded).unwrap_err();
    assert_eq!(error.to_string(), "not a record of a session");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.starts_with("reading the prober's report"),
        "{source}"
    );
}
