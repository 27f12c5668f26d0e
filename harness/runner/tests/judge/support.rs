//! Cases made from recorded failures (see `harness/evidence/tests/data/README.md`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use meshproof_evidence::BuiltIn;
use meshproof_record::{
    CaseRecord, Cause, ClientEvidence, DatabaseEvidence, Evidence, Expectation, ExpectedDatabase,
    ExpectedHop, ExpectedLeg, Hop, LogEvidence, Outcome, Protection, Status,
};
use serde_json::Value;

pub(crate) const HOST: &str = "203.0.113.10.nip.io";

/// A recorded failure.
#[derive(Clone)]
pub(crate) struct Recorded(Value);

/// All recordings with the full log format.
pub(crate) fn all() -> &'static [Recorded] {
    static ALL: OnceLock<Vec<Recorded>> = OnceLock::new();
    ALL.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../evidence/tests/data/failures");
        let text = std::fs::read_to_string(folder.join("istio-1.32-envoy-1.40.jsonl")).unwrap();
        text.lines()
            .map(|line| Recorded(serde_json::from_str(line).unwrap()))
            .collect()
    })
}

pub(crate) fn recorded(id: &str) -> Recorded {
    all()
        .iter()
        .find(|recorded| recorded.id() == id)
        .unwrap()
        .clone()
}

fn word<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

impl Recorded {
    pub(crate) fn id(&self) -> &str {
        self.0["id"].as_str().unwrap()
    }

    pub(crate) fn speaks(&self) -> &str {
        self.0["speaks"].as_str().unwrap()
    }

    pub(crate) fn truth(&self) -> (Outcome, Hop, Cause, &str) {
        let truth = &self.0["truth"];
        (
            word(&truth["outcome"]),
            word(&truth["hop"]),
            word(&truth["cause"]),
            truth["told_by"].as_str().unwrap(),
        )
    }

    pub(crate) fn client(&self) -> ClientEvidence {
        let client = &self.0["client"];
        let text = |key: &str| client[key].as_str().unwrap().to_owned();
        let exit = client["exit"]
            .as_i64()
            .map(|exit| i32::try_from(exit).unwrap());
        // Recorded without the statement that the harness puts first.
        let cipher = if exit == Some(0) {
            "Ssl_cipher\t\n"
        } else {
            ""
        };
        ClientEvidence {
            command: vec!["mysql".to_owned()],
            exit,
            stdout: format!("{cipher}{}", text("stdout")),
            stderr: text("stderr"),
            seconds: client["seconds"].as_f64().unwrap(),
            stopped: None,
            received_bytes: None,
        }
    }

    fn logs(&self) -> BTreeMap<Hop, LogEvidence> {
        let hops = [
            ("client", Hop::ClientSidecar),
            ("egress", Hop::Egress),
            ("ingress", Hop::Ingress),
            ("server", Hop::ServerSidecar),
        ];
        hops.into_iter()
            .map(|(key, hop)| {
                let lines = self.0["logs"][key]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|line| line.as_str().unwrap().to_owned());
                let format = BuiltIn::Failures.format_string();
                (
                    hop,
                    LogEvidence {
                        pod: format!("default/{key}"),
                        format,
                        lines: lines.collect(),
                    },
                )
            })
            .collect()
    }

    /// The probe that read the counters was itself one connection and two questions.
    fn database(&self) -> DatabaseEvidence {
        let after: BTreeMap<String, u64> = word(&self.0["mysqld"]);
        let before = after.keys().map(|key| (key.clone(), 0)).collect();
        let own = [("Connections".to_owned(), 1), ("Questions".to_owned(), 2)].into();
        DatabaseEvidence {
            before,
            after,
            own,
            rows: None,
        }
    }

    pub(crate) fn case(&self, expectation: Expectation) -> CaseRecord {
        let plaintext = self.speaks().starts_with("plaintext");
        let mut client = self.client();
        if plaintext {
            client.received_bytes = Some(0);
            client.stdout = String::new();
        }
        let negative = expectation.outcome != Outcome::Connected;
        CaseRecord {
            name: "case".to_owned(),
            description: None,
            line: 1,
            control: negative.then(|| "control".to_owned()),
            source: "default/client".to_owned(),
            target: self.0["target"].as_str().unwrap().to_owned(),
            speaks: if plaintext { "plaintext" } else { "mysql" }.to_owned(),
            variation: Vec::new(),
            sabotage: None,
            expectation,
            evidence: Evidence {
                client: Some(client),
                logs: self.logs(),
                database: Some(self.database()),
                ..Evidence::default()
            },
            verdict: meshproof_runner::not_run(Status::Inconclusive, "not judged"),
            started: "2026-11-23T08:05:48Z".to_owned(),
            duration_ms: 1.0,
        }
    }
}

/// The log of a hop is there and has no line.
pub(crate) fn silence(case: &mut CaseRecord, hop: Hop) {
    let log = case.evidence.logs.get_mut(&hop);
    log.unwrap().lines.clear();
}

pub(crate) fn expects(outcome: Outcome, hop: Option<Hop>, cause: Option<Cause>) -> Expectation {
    Expectation {
        outcome,
        hop,
        cause,
        resolves: None,
        rows: None,
        path: Vec::new(),
        legs: Vec::new(),
        database: None,
        link: None,
        failures: None,
        own_tls: false,
    }
}

/// The demand of a negative case: who, why, and nothing at the database.
pub(crate) fn refused(outcome: Outcome, hop: Hop, cause: Cause) -> Expectation {
    Expectation {
        database: Some(ExpectedDatabase::Nothing),
        ..expects(outcome, Some(hop), Some(cause))
    }
}

/// The demand of the tutorial's positive case.
pub(crate) fn tutorial() -> Expectation {
    let hop = |hop, cluster: &str, port, sni: Option<&str>| ExpectedHop {
        hop,
        cluster: Some(cluster.to_owned()),
        upstream: None,
        upstream_port: Some(port),
        sni: sni.map(str::to_owned),
    };
    let leg = |from, to, peer: &str| ExpectedLeg {
        from,
        to,
        encrypted: Protection::Mutual,
        peer: Some(peer.to_owned()),
    };
    Expectation {
        rows: Some(vec![
            vec!["Crypto Hi".to_owned()],
            vec!["Crypto Hi".to_owned()],
        ]),
        path: vec![
            hop(
                Hop::ClientSidecar,
                "outbound|15443|mysql|istio-egressgateway.istio-system.svc.cluster.local",
                15443,
                None,
            ),
            hop(
                Hop::Egress,
                "outbound|13306||203.0.113.10.nip.io",
                13306,
                Some(HOST),
            ),
            hop(
                Hop::Ingress,
                "outbound|3306||mysql.default.svc.cluster.local",
                3306,
                Some(HOST),
            ),
            hop(
                Hop::ServerSidecar,
                "inbound|3306||",
                3306,
                Some("outbound_.3306_._.mysql.default.svc.cluster.local"),
            ),
        ],
        legs: vec![
            leg(
                Hop::ClientSidecar,
                Hop::Egress,
                "spiffe://cluster.local/ns/default/sa/default",
            ),
            leg(Hop::Egress, Hop::Ingress, "CN=203.0.113.10.nip.io"),
            leg(
                Hop::Ingress,
                Hop::ServerSidecar,
                "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account",
            ),
        ],
        ..expects(Outcome::Connected, None, None)
    }
}
