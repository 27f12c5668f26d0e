//! Access logs in other formats than the scenario's own.

use std::fs;

use meshproof_record::{RunRecord, Status};
use serde_json::json;

use crate::bench::{Bench, fixture};

const MESH_CONFIG: &str = "istio/mesh-config.yaml";

/// Runs the scenario with this mesh configuration on both clusters; the exit code and the record.
fn run(mesh_config: &str) -> Option<(i32, RunRecord)> {
    let bench = Bench::new();
    let file = bench.path("mesh.yaml");
    fs::write(&file, mesh_config).unwrap();
    let original = fixture(MESH_CONFIG);
    let (original, file) = (original.to_str().unwrap(), file.to_str().unwrap());
    // One mention for each cluster.
    let bench = bench.with(original, file).with(original, file);
    let ended = bench.run()?;
    Some((ended.code, bench.record()))
}

#[test]
fn a_json_format_of_its_own_tells_all_that_a_verdict_needs() {
    let format = json!({
        "begun": "%START_TIME%", "flags": "%RESPONSE_FLAGS%", "details": "%RESPONSE_CODE_DETAILS%",
        "ended": "%CONNECTION_TERMINATION_DETAILS%", "ms": "%DURATION%", "sni": "%REQUESTED_SERVER_NAME%",
        "bytes": {"in": "%BYTES_RECEIVED%", "out": "%BYTES_SENT%"},
        "up": {"host": "%UPSTREAM_HOST%", "cluster": "%UPSTREAM_CLUSTER_RAW%", "tls": "%UPSTREAM_TLS_VERSION%",
            "local": "%UPSTREAM_LOCAL_ADDRESS%", "why": "%UPSTREAM_TRANSPORT_FAILURE_REASON%"},
        "down": {"local": "%DOWNSTREAM_LOCAL_ADDRESS%", "remote": "%DOWNSTREAM_REMOTE_ADDRESS%",
            "direct": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", "tls": "%DOWNSTREAM_TLS_VERSION%",
            "subject": "%DOWNSTREAM_PEER_SUBJECT%", "uri": "%DOWNSTREAM_PEER_URI_SAN%",
            "why": "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%"},
    });
    let mesh = json!({"accessLogFile": "/dev/stdout", "accessLogEncoding": "JSON",
        "accessLogFormat": format.to_string()});
    let Some((code, record)) = run(&mesh.to_string()) else {
        return;
    };
    assert_eq!(code, 0, "{record:#?}");
}

#[test]
fn istios_json_format_leaves_open_who_the_sender_is() {
    let Some((code, record)) = run("accessLogFile: /dev/stdout\naccessLogEncoding: JSON\n") else {
        return;
    };
    assert_eq!(code, 2, "{record:#?}");
    let positive = &record.scenarios[0].cases[0].verdict;
    assert_eq!(positive.status, Status::Inconclusive);
    assert!(
        positive.summary.contains("%DOWNSTREAM_PEER_URI_SAN%"),
        "{}",
        positive.summary
    );
}

#[test]
fn a_format_that_hides_the_reason_of_a_refusal_leaves_the_case_open_and_names_the_field() {
    let legs = "      legs:\n        - {from: egress, to: ingress, encrypted: mutual, peer: \"CN=${SERVICE_URL}\"}\n        - {from: ingress, to: server-sidecar, encrypted: mutual}\n";
    let bench = Bench::of("certificates.yaml").with(legs, "");
    let file = bench.path("mesh.yaml");
    fs::write(&file, "accessLogFile: /dev/stdout\n").unwrap();
    let original = fixture(MESH_CONFIG);
    let (original, file) = (original.to_str().unwrap(), file.to_str().unwrap());
    let bench = bench.with(original, file).with(original, file);
    let Some(ended) = bench.run_cases("client-expired-tls-13$") else {
        return;
    };
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    let record = bench.record();
    let cases = &record.scenarios[0].cases;
    assert_eq!(cases[0].verdict.status, Status::Pass, "the control");
    let refused = &cases[1].verdict;
    assert_eq!(refused.status, Status::Inconclusive);
    let field = "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%";
    let told = refused
        .checks
        .iter()
        .any(|check| check.detail.contains(field));
    assert!(told, "{refused:#?}");
}
