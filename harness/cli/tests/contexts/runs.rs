//! Runs, and what they ask the API servers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use meshproof_cluster::Side;
use meshproof_cluster::kube::Client;
use meshproof_cluster::kube::api::{Api, DeleteParams};
use meshproof_cluster::kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use meshproof_record::{FindingState, Status};
use serde_json::Value;

use crate::clusters::Served;
use crate::command::Folder;
use crate::objects;

/// How long the pod of a Deployment that was deleted may stay.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// Nobody can capture on the link between the clusters here: the gateways say what crosses it.
pub(crate) async fn the_tutorial_runs_and_leaves_what_it_found(served: &Served, folder: &Folder) {
    let scenario = folder.scenario();
    let trace = folder.path().join("trace.jsonl");
    let before = folder.meshproof(&["doctor", "--output", "json"]).await;
    assert_eq!(before.code, 0, "{}", before.stdout);
    let ran = folder
        .meshproof(&[
            "run",
            &scenario,
            "--out",
            folder.out(),
            "--trace-api",
            trace.to_str().unwrap(),
        ])
        .await;
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let record = folder.record();
    assert_eq!(record.provider, "contexts");
    assert_eq!(record.problems, []);
    assert_eq!(record.versions["istio"], "1.32.0");
    for case in &record.scenarios[0].cases {
        let verdict = &case.verdict;
        assert_eq!(verdict.status, Status::Pass, "{}: {verdict:#?}", case.name);
    }
    let states = record.findings.iter().map(|finding| finding.state);
    assert!(states.clone().all(|state| state != FindingState::Missing));
    assert!(states.clone().any(|state| state == FindingState::Ok));
    let after = folder.meshproof(&["doctor", "--output", "json"]).await;
    assert_eq!(before.stdout, after.stdout, "ports were taken back");
    traced(served, &trace, &ran.stderr);
}

/// Both need the same ports of the gateways' Services, which are there until the later of them ends.
pub(crate) async fn two_runs_at_once_do_not_meet(served: &Served, folder: &Folder) {
    let before = objects::settled(&served.clusters().await).await;
    let scenario = folder.scenario();
    let outs = ["one", "two"].map(|name| folder.path().join(name));
    let runs = outs.iter().map(async |out| {
        let run = ["run", &scenario, "--out", out.to_str().unwrap()];
        folder.meshproof(&run).await
    });
    for ran in futures::future::join_all(runs).await {
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    }
    objects::wait_for(&served.clusters().await, &before).await;
}

/// Ctrl-C while a case runs: what was made and changed until then is taken back before the command ends.
pub(crate) async fn an_interrupted_run_leaves_what_it_found(_: &Served, folder: &Folder) {
    let scenario = folder.scenario();
    let before = folder.meshproof(&["doctor", "--output", "json"]).await;
    // This one waits for a timeout of ten seconds.
    let ran = folder
        .interrupted(
            &["run", &scenario, "--out", folder.out()],
            "no-sidecar-mysql-port: running",
        )
        .await;
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    let record = folder.record();
    assert!(
        record
            .problems
            .iter()
            .all(|problem| problem.during == "interrupted"),
        "{:?}",
        record.problems
    );
    assert_eq!(record.scenarios[0].cases[0].verdict.status, Status::Pass);
    let after = folder.meshproof(&["doctor", "--output", "json"]).await;
    assert_eq!(before.stdout, after.stdout, "ports were taken back");
}

/// Each request is a line, none has a secret, and the sum that was printed is that of the lines.
fn traced(served: &Served, trace: &std::path::Path, stderr: &str) {
    let mode = fs::metadata(trace).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(trace).unwrap();
    for side in [Side::Client, Side::Server] {
        assert!(!text.contains(served.token(side)));
    }
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let known = [
        "time", "cluster", "method", "path", "status", "ms", "attempt",
    ];
    for line in &lines {
        let keys = line.as_object().unwrap().keys();
        assert_eq!(keys.collect::<Vec<_>>(), known, "{line}");
        assert_eq!(line["attempt"], 1);
    }
    // Looking at what is there is not counted to the scenario.
    let creating = |line: &&Value| line["method"] == "PATCH";
    assert!(lines.iter().filter(creating).count() > 10, "{text}");
    let exec = lines
        .iter()
        .filter(|line| line["path"].as_str().unwrap().contains("/exec?"));
    let execs = exec.count();
    assert!(
        stderr.contains(&format!(" {execs} programs,")),
        "{execs}: {stderr}"
    );
}

pub(crate) async fn nothing_is_created_where_something_is_missing(
    served: &Served,
    folder: &Folder,
) {
    let client = Client::try_from(served.config(Side::Client).await).unwrap();
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment"));
    let deployments: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), "istio-system", &kind);
    let gone = deployments
        .delete("istio-egressgateway", &DeleteParams::foreground())
        .await;
    gone.unwrap();
    let trace = folder.path().join("trace.jsonl");
    let scenario = folder.scenario();
    let gone = async { while folder.meshproof(&["doctor"]).await.code == 0 {} };
    tokio::time::timeout(GONE_WITHIN, gone).await.unwrap();
    let trace_argument = trace.to_str().unwrap();
    let ran = folder
        .meshproof(&[
            "run",
            &scenario,
            "--out",
            folder.out(),
            "--trace-api",
            trace_argument,
        ])
        .await;
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    let wanted = "nothing was created, as something is missing: cluster client: ";
    assert!(ran.stderr.contains(wanted), "{}", ran.stderr);
    let record = folder.record();
    let missing = record
        .findings
        .iter()
        .filter(|finding| finding.state == FindingState::Missing);
    let missing: Vec<&str> = missing.map(|finding| finding.point.as_str()).collect();
    assert!(missing.contains(&"egress gateway"), "{missing:?}");
    let text = fs::read_to_string(&trace).unwrap();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let review = line["path"]
            .as_str()
            .unwrap()
            .contains("/selfsubjectaccessreviews");
        assert!(line["method"] == "GET" || review, "{line}");
    }
}
