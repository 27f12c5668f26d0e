//! Records for the tests of this crate.

use meshproof_record::{
    CaseRecord, Cause, Check, ClientEvidence, DatabaseEvidence, Evidence, Expectation, Hold, Hop,
    LogEvidence, Missing, Observed, Outcome, Phase, Problem, RunRecord, SCHEMA, ScenarioRecord,
    Status, Tool, Verdict,
};

pub(crate) fn run(cases: Vec<CaseRecord>) -> RunRecord {
    RunRecord {
        schema: SCHEMA.into(),
        run_id: "20260301-101112-abcd".into(),
        tool: Tool {
            version: "0.1.0".into(),
            commit: None,
        },
        provider: "embedded".into(),
        started: "2026-03-01T10:11:12.000Z".into(),
        finished: "2026-03-01T10:11:12.500Z".into(),
        versions: [("envoy".to_owned(), "1.40.0".to_owned())].into(),
        scenarios: vec![ScenarioRecord {
            name: "mysql-mtls".into(),
            file: "scenarios/mysql-mtls.yaml".into(),
            description: Some("SQL between clusters".into()),
            labels: vec!["tutorial".into(), "mysql".into()],
            bindings: [].into(),
            cases,
        }],
        problems: vec![],
        phases: vec![Phase {
            name: "cases".into(),
            start_ms: 120.0,
            duration_ms: 380.4,
        }],
        waits: vec![],
        findings: vec![],
    }
}

pub(crate) fn positive() -> CaseRecord {
    CaseRecord {
        name: "sql-crosses-encrypted".into(),
        description: Some("The tutorial's session arrives.".into()),
        line: 64,
        control: None,
        source: "default/mysql-client-1".into(),
        target: "203.0.113.10.nip.io:3306".into(),
        speaks: "mysql".into(),
        variation: vec![],
        sabotage: None,
        expectation: expects(Outcome::Connected, None, None),
        evidence: Evidence {
            client: Some(client("id\tcontent\n1\tCrypto Hi\n", "", Some(0))),
            logs: [(
                Hop::Egress,
                log(
                    "istio-system/istio-egressgateway-0",
                    "[2026-03-01] \"- - -\" 0 - - - \"-\" 176",
                ),
            )]
            .into(),
            database: Some(DatabaseEvidence {
                before: [].into(),
                after: [].into(),
                own: [].into(),
                rows: None,
            }),
            ..Evidence::default()
        },
        verdict: Verdict {
            status: Status::Pass,
            summary: "the row arrived over three legs, each mutually authenticated".into(),
            checks: vec![check(
                "leg egress -> ingress",
                Status::Pass,
                "TLSv1.3, peer CN=203.0.113.10.nip.io",
            )],
            observed: Some(seen(Outcome::Connected, Hop::None, Cause::None)),
        },
        started: "2026-03-01T10:11:12.120Z".into(),
        duration_ms: 84.4,
    }
}

pub(crate) fn negative() -> CaseRecord {
    CaseRecord {
        name: "no-sidecar-gateway-port".into(),
        description: None,
        line: 104,
        control: Some("sql-crosses-encrypted".into()),
        source: "unencrypted/mysql-client-2".into(),
        target: "203.0.113.10.nip.io:13306".into(),
        speaks: "plaintext".into(),
        variation: vec![],
        sabotage: None,
        expectation: expects(Outcome::Refused, Some(Hop::Ingress), Some(Cause::NotTls)),
        evidence: Evidence {
            client: Some(client("", "", Some(1))),
            holds: vec![Hold {
                what: "a session at the database".into(),
                ms: 200.0,
            }],
            ..Evidence::default()
        },
        verdict: Verdict {
            status: Status::Pass,
            summary: "the ingress gateway refused what is not TLS".into(),
            checks: vec![],
            observed: Some(seen(Outcome::Refused, Hop::Ingress, Cause::NotTls)),
        },
        started: "2026-03-01T10:11:12.220Z".into(),
        duration_ms: 231.7,
    }
}

pub(crate) fn failed() -> CaseRecord {
    let mut case = positive();
    case.evidence.client = Some(client(
        "",
        "ERROR 2013 (HY000): Lost connection\u{7}\n",
        Some(1),
    ));
    case.verdict = Verdict {
        status: Status::Fail,
        summary: "the leg ingress -> server-sidecar was not encrypted: the server sidecar logged no TLS version".into(),
        checks: vec![
            check("client outcome", Status::Pass, "connected"),
            check("leg ingress -> server-sidecar", Status::Fail, "expected mutual, found plaintext (TLS version `-`)"),
        ],
        observed: Some(seen(Outcome::Connected, Hop::None, Cause::None)),
    };
    case
}

pub(crate) fn inconclusive() -> CaseRecord {
    let mut case = negative();
    case.verdict = Verdict {
        status: Status::Inconclusive,
        summary: "its control sql-crosses-encrypted did not pass, so a refusal proves nothing"
            .into(),
        checks: vec![check(
            "control",
            Status::Inconclusive,
            "sql-crosses-encrypted: fail",
        )],
        observed: None,
    };
    case.evidence.missing = vec![Missing {
        source: "log of egress".into(),
        why: "the pod was gone".into(),
    }];
    case
}

pub(crate) fn skipped() -> CaseRecord {
    let mut case = negative();
    case.name = "wire-capture".into();
    case.evidence = Evidence::default();
    case.verdict = Verdict {
        status: Status::Skipped,
        summary: "the provider cannot capture on the link".into(),
        checks: vec![],
        observed: None,
    };
    case.duration_ms = 0.0;
    case
}

pub(crate) fn interrupted() -> RunRecord {
    let mut record = run(vec![positive(), inconclusive()]);
    record.scenarios[0].cases[1].verdict.summary = "not finished: the run was interrupted".into();
    record.problems = vec![Problem {
        during: "interrupted".into(),
        message: "SIGINT after 212 ms".into(),
    }];
    record
}

fn expects(outcome: Outcome, hop: Option<Hop>, cause: Option<Cause>) -> Expectation {
    Expectation {
        outcome,
        hop,
        cause,
        resolves: None,
        rows: None,
        path: vec![],
        legs: vec![],
        database: None,
        link: None,
        failures: None,
        own_tls: false,
    }
}

fn seen(outcome: Outcome, hop: Hop, cause: Cause) -> Observed {
    Observed {
        outcome,
        hop,
        cause,
    }
}

fn check(what: &str, status: Status, detail: &str) -> Check {
    Check {
        what: what.into(),
        status,
        detail: detail.into(),
    }
}

fn log(pod: &str, line: &str) -> LogEvidence {
    LogEvidence {
        pod: pod.into(),
        format: "%START_TIME%".into(),
        lines: vec![line.into()],
    }
}

fn client(stdout: &str, stderr: &str, exit: Option<i32>) -> ClientEvidence {
    ClientEvidence {
        command: vec!["mysql".into(), "-h".into(), "203.0.113.10.nip.io".into()],
        exit,
        stdout: stdout.into(),
        stderr: stderr.into(),
        seconds: 0.031,
        stopped: None,
        received_bytes: None,
    }
}
