//! Who refused and why, told from lines alone, against what was really wrong.
#![allow(clippy::unwrap_used)]

mod support;

use meshproof_evidence::access_log::{Logged, Operator};
use meshproof_evidence::classify::Weight;
use meshproof_evidence::{BuiltIn, HopLogs, Opening, Reader, attribute};
use meshproof_record::{Cause, Hop, Outcome};
use support::Recorded;

/// Told by the client's words or its own tool, not by lines.
const NOT_BY_LINES: [Cause; 3] = [Cause::AuthDenied, Cause::UnknownDatabase, Cause::Dropped];

#[test]
fn no_finding_about_sessions_that_worked() {
    for recorded in support::text()
        .iter()
        .filter(|r| r.truth.outcome == Outcome::Connected)
    {
        let found = attribute(&recorded.full(), &[], recorded.opening());
        assert!(found.findings.is_empty(), "{}: {found:?}", recorded.id);
    }
}

#[test]
fn the_longer_format_tells_what_it_can_tell() {
    for recorded in support::text() {
        if matches!(recorded.truth.told_by.as_str(), "default" | "full") {
            settled(&recorded, &recorded.full());
        }
    }
}

#[test]
fn the_default_format_tells_what_it_can_tell() {
    for recorded in support::text()
        .iter()
        .filter(|r| r.truth.told_by == "default" && !r.id.starts_with("unmeshed-tls"))
    {
        if recorded.id != "unmeshed-egress-15443" {
            settled(recorded, &recorded.default_format());
        }
    }
}

#[test]
fn nothing_certain_is_ever_wrong() {
    let all = support::text();
    for recorded in &all {
        not_wrong(recorded, &recorded.full());
        not_wrong(recorded, &recorded.default_format());
    }
    for recorded in support::json() {
        not_wrong(
            &recorded,
            &recorded.read(BuiltIn::Json.reader(), str::to_owned),
        );
    }
}

/// Whether the egress gateway reads the database's greeting or a reset is a race.
#[test]
fn tls_to_plaintext_is_told_when_a_reset_comes_first() {
    let all = support::text();
    let recorded = all.iter().find(|r| r.id == "tls-to-plain").unwrap();
    let mut logs = recorded.full();
    let egress = logs.get_mut(&Hop::Egress).unwrap().last_mut().unwrap();
    egress.upstream_failure = Logged::Value(
        "TLS_error:|33554536:system_library:OPENSSL_internal:Connection_reset_by_peer:TLS_error_end"
            .to_owned(),
    );
    let found = attribute(&logs, &[], recorded.opening());
    let certain = found.certain().map(|finding| (finding.hop, finding.cause));
    assert_eq!(
        certain,
        Some((Hop::Egress, Cause::TlsToPlaintext)),
        "{found:#?}"
    );
    // A receiver that took the TLS off was not spoken to in vain.
    let ingress = logs.get_mut(&Hop::Ingress).unwrap().last_mut().unwrap();
    ingress.tls_version = Logged::Value("TLSv1.3".to_owned());
    assert_eq!(attribute(&logs, &[], recorded.opening()).certain(), None);
}

/// The same where the client itself speaks TLS: what its first hop logs tells, if no hop before is lost.
#[test]
fn a_clients_tls_that_is_passed_on_in_clear_is_told() {
    let all = support::text();
    let recorded = all.iter().find(|r| r.id == "tls-to-plain").unwrap();
    let mut logs = recorded.full();
    logs.remove(&Hop::ClientSidecar);
    logs.remove(&Hop::Egress);
    let certain = |lost: &[Hop], opening| {
        let found = attribute(&logs, lost, opening);
        let certain = found.certain();
        certain.map(|finding| (finding.hop, finding.cause))
    };
    let told = Some((Hop::Client, Cause::TlsToPlaintext));
    assert_eq!(certain(&[], Opening::Tls), told);
    assert_eq!(certain(&[Hop::Egress], Opening::Tls), None);
    assert_eq!(certain(&[], Opening::Plaintext), None);
    assert_eq!(certain(&[], Opening::ServerFirst), None);
}

fn settled(recorded: &Recorded, logs: &HopLogs) {
    let truth = &recorded.truth;
    if truth.outcome == Outcome::Connected || NOT_BY_LINES.contains(&truth.cause) {
        return;
    }
    let found = attribute(logs, &[], recorded.opening());
    let certain = found.certain().map(|finding| (finding.hop, finding.cause));
    assert_eq!(
        certain,
        Some((truth.hop, truth.cause)),
        "{}: {found:#?}",
        recorded.id
    );
}

fn not_wrong(recorded: &Recorded, logs: &HopLogs) {
    let truth = &recorded.truth;
    let found = attribute(logs, &[], recorded.opening());
    if let Some(certain) = found.certain() {
        assert_eq!(
            (certain.hop, certain.cause),
            (truth.hop, truth.cause),
            "{}: {found:#?}",
            recorded.id
        );
    }
    // What is not certain must at least contain the truth.
    for finding in found
        .findings
        .iter()
        .filter(|finding| finding.weight == Weight::Reason)
    {
        assert!(
            finding.causes().any(|cause| cause == truth.cause),
            "{}: {found:#?}",
            recorded.id
        );
    }
}

#[test]
fn the_reasons_read_well() {
    let ids = [
        "client-cert-expired-13",
        "client-cert-san-12",
        "sni-none",
        "sni-foreign",
        "unmeshed-13306-speaks",
        "deny-server",
        "tls-to-plain",
    ];
    let told = |recorded: &Recorded, logs: &HopLogs| {
        let findings = attribute(logs, &[], recorded.opening()).findings;
        let lines = findings.iter().map(|f| {
            format!(
                "  {:?} {:?} at {:?}, or {:?}: {}\n",
                f.weight, f.cause, f.hop, f.also, f.why
            )
        });
        lines.collect::<String>()
    };
    let mut all = String::new();
    for recorded in ids.into_iter().map(support::text_of) {
        for (format, logs) in [
            ("default", recorded.default_format()),
            ("longer", recorded.full()),
        ] {
            all.extend([
                &recorded.id,
                ", ",
                format,
                " format\n",
                &told(&recorded, &logs),
            ]);
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn spaces_of_old_envoys_make_no_difference() {
    let Reader::Text(format) = BuiltIn::Failures.reader() else {
        panic!("the format is TEXT");
    };
    let spaced = |line: &str| {
        let record = format.parse(line).unwrap();
        let value = |(operator, value): (&Operator, &str)| {
            let name = operator.name.as_str();
            if name.ends_with("_FAILURE_REASON") || name == "CONNECTION_TERMINATION_DETAILS" {
                value.replace('_', " ")
            } else {
                value.to_owned()
            }
        };
        let values: Vec<String> = record.iter().map(value).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        format.render(&values).unwrap()
    };
    let mut changed = 0;
    for recorded in support::text() {
        let (now, old) = (
            recorded.full(),
            recorded.read(BuiltIn::Failures.reader(), spaced),
        );
        changed += usize::from(
            recorded
                .logs
                .values()
                .flatten()
                .any(|line| spaced(line) != *line),
        );
        assert_eq!(
            attribute(&now, &[], recorded.opening()),
            attribute(&old, &[], recorded.opening()),
            "{}",
            recorded.id
        );
    }
    assert!(changed > 20);
}
