//! Clocks that disagree: the command's with the proxies', or a proxy's with a certificate.

use std::fs;

use meshproof_pki::{Authority, Credential, Leaf, Validity};
use meshproof_record::{CaseRecord, Cause, Hop, Status};
use meshproof_runner::source;
use serde_json::json;

use crate::bench::{Bench, Ended, able, end};
use crate::compiled::compiled;

/// The address that the embedded clusters give to the ingress gateway, as the scenario's name.
const URL: &str = "203.0.113.10.nip.io";
const MINUTE: i64 = 60;

/// Runs the tutorial's session with the command's clock off by so much.
fn skewed(seconds: i64) -> Option<(Ended, CaseRecord)> {
    let bench = Bench::new();
    let clock = compiled(&bench, "skewed", &["-shared", "-fPIC"])?;
    let mut command = bench.command();
    command.args(["--case", "sql-crosses-encrypted"]);
    let command = command.env("LD_PRELOAD", clock);
    let ended = able(end(command.env("SKEW", seconds.to_string())))?;
    let case = bench.record().scenarios[0].cases[0].clone();
    Some((ended, case))
}

fn told(case: &CaseRecord, parts: &[&str]) {
    let summary = &case.verdict.summary;
    for part in parts {
        assert!(summary.contains(part), "{part}: {:#?}", case.verdict);
    }
}

#[test]
fn a_command_with_the_proxies_clock_passes() {
    let Some((ended, case)) = skewed(0) else {
        return;
    };
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_eq!(case.evidence.missing, []);
}

#[test]
fn logs_by_a_clock_that_is_behind_leave_the_case_open_and_tell_by_how_much() {
    // Within what certificates allow for: the session goes well, and its lines look like an earlier one's.
    let Some((ended, case)) = skewed(5 * MINUTE) else {
        return;
    };
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert_eq!(case.verdict.status, Status::Inconclusive);
    told(
        &case,
        &["no evidence of log", "its clock is", "behind this"],
    );
    assert_eq!(case.evidence.client.unwrap().exit, Some(0));
}

#[test]
fn logs_by_a_clock_that_is_ahead_hide_no_line_and_are_told() {
    let Some((ended, case)) = skewed(-5 * MINUTE) else {
        return;
    };
    // Every leg is shown by a line that came after the case had begun.
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let missing = &case.evidence.missing;
    let clock = missing.iter().find(|one| one.source == source::CLOCK);
    let why = &clock.unwrap().why;
    assert!(why.contains("ahead of this machine's"), "{why}");
}

#[test]
fn certificates_made_by_another_clock_leave_the_case_open_and_tell_of_clocks() {
    // The run's certificates begin ten minutes before they are made: by the proxies' clock they are to come.
    let Some((ended, case)) = skewed(20 * MINUTE) else {
        return;
    };
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert_eq!(case.verdict.status, Status::Inconclusive);
    told(
        &case,
        &["no common clock", "its clock is", "behind this machine's"],
    );
    assert_ne!(case.evidence.client.unwrap().exit, Some(0));
}

/// Runs the tutorial's session with certificates of somebody else, the client's valid from then on.
fn valid_from(seconds: i64) -> Option<(Ended, CaseRecord)> {
    let root = Authority::root("somebody else's root").unwrap();
    let validity = Validity {
        from: seconds,
        until: 24 * 60 * MINUTE,
    };
    let client = root.issue(&Leaf::client(URL).valid(validity)).unwrap();
    let server = root.issue(&Leaf::server(URL)).unwrap();
    let secret = |name: &str, shown: &Credential| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "istio-system"},
               "stringData": {"tls.crt": shown.chain_pem(), "tls.key": shown.key().pem(), "ca.crt": root.pem()}})
    };
    let mut bench = Bench::new();
    for (name, made, shown, beside) in [
        (
            "client-credential",
            "client",
            &client,
            "mysql-external.yaml",
        ),
        (
            "mysql-credential",
            "application",
            &server,
            "mysql-virtual-service.yaml",
        ),
    ] {
        let file = bench.path(&format!("{name}.yaml"));
        fs::write(&file, secret(name, shown).to_string()).unwrap();
        let theirs = format!("/{beside}\n");
        let with = format!("{theirs}      - {}\n", file.display());
        let own = format!("    secrets:\n      istio-system/{name}: {{certificate: {made}}}\n");
        bench = bench.with(&own, "").with(&theirs, &with);
    }
    let ended = bench.run_cases("sql-crosses-encrypted")?;
    let case = bench.record().scenarios[0].cases[0].clone();
    Some((ended, case))
}

#[test]
fn a_certificate_of_somebody_elses_passes() {
    let Some((ended, case)) = valid_from(-MINUTE) else {
        return;
    };
    assert_eq!(ended.code, 0, "{}{:#?}", ended.stdout, case.verdict);
}

#[test]
fn a_certificate_that_is_not_yet_valid_by_minutes_fails_and_tells_of_clocks() {
    let Some((ended, case)) = valid_from(5 * MINUTE) else {
        return;
    };
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    let found = case.verdict.observed.unwrap();
    assert_eq!((found.hop, found.cause), (Hop::Ingress, Cause::NotYetValid));
    told(
        &case,
        &[
            "refused by ingress: not-yet-valid",
            "compare that clock with the times in it",
        ],
    );
}
