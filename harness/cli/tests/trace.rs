//! `meshproof mesh trace` from outside: exit codes, output, bad input.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

fn case(name: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../mesh/tests/oracle/cases");
    root.join(name).to_str().unwrap().to_owned()
}

fn traced(clusters: &[&str], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meshproof"))
        .args(["mesh", "trace"])
        .args(clusters)
        .args(arguments)
        .output()
        .unwrap()
}

fn tutorial(arguments: &[&str]) -> Output {
    traced(
        &[&case("client-tutorial"), &case("server-tutorial")],
        arguments,
    )
}

const SESSION: [&str; 4] = [
    "--from",
    "mysql-client-1",
    "--to",
    "203.0.113.10.nip.io:3306",
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_exit_code_says_how_it_ends() {
    let code = |output: Output| output.status.code().unwrap();
    assert_eq!(code(tutorial(&SESSION)), 0);
    let unmeshed = [
        "--from",
        "mysql-client-2",
        "--to",
        "203.0.113.10.nip.io:3306",
    ];
    assert_eq!(code(tutorial(&unmeshed)), 1);
    let alone = traced(&[&case("client-tutorial")], &SESSION);
    assert_eq!(code(alone), 2, "the other cluster was not given");
    assert_eq!(code(tutorial(&["--from", "nobody", "--to", "a:1"])), 3);
}

#[test]
fn json_has_hop_and_cause() {
    let output = tutorial(&[
        "--from",
        "unencrypted/mysql-client-2",
        "--to",
        "203.0.113.10.nip.io:13306",
        "--tls",
        "1.1",
        "--output",
        "json",
    ]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["outcome"], "refused");
    assert_eq!(found["hop"], "ingress");
    assert_eq!(found["cause"], "protocol-version");
    assert!(found["steps"].as_array().unwrap().len() > 2);
}

#[test]
fn what_admission_refuses_is_told() {
    let output = traced(
        &[&case("client-rejected"), &case("server-tutorial")],
        &SESSION,
    );
    let told = text(&output.stderr);
    assert!(
        told.contains("refused: DestinationRule default/mutual-without: "),
        "{told}"
    );
    let good = tutorial(&SESSION);
    assert_eq!(
        text(&good.stderr),
        "",
        "the good configuration raises nothing"
    );
}

#[test]
fn bad_input_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.yaml");
    fs::write(&broken, "kind: Pod\napiVersion: v1\nmetadata: {name: [}\n").unwrap();
    let broken = broken.to_str().unwrap();
    let client = case("client-tutorial");
    for (clusters, arguments, wanted) in [
        (vec![broken], SESSION.to_vec(), "broken.yaml:3"),
        (vec!["nosuch.yaml"], SESSION.to_vec(), "reading nosuch.yaml"),
        (
            vec![&client, &client],
            SESSION.to_vec(),
            "both called client-tutorial",
        ),
        (
            vec![&client],
            vec!["--from", "mysql-client-1", "--to", "nowhere"],
            "expected HOST:PORT",
        ),
        (
            vec![&client],
            vec!["--from", "mysql-client-1", "--to", "a:0"],
            "expected HOST:PORT",
        ),
        (
            vec![&client],
            [&SESSION[..], &["--tls", "cipher=x"]].concat(),
            "or one of sni=",
        ),
        (
            vec![&client],
            [&SESSION[..], &["--tls", "min=9"]].concat(),
            "expected a version of TLS",
        ),
        (
            vec![&client],
            [&SESSION[..], &["--tls", "cert=nosuch.pem"]].concat(),
            "reading nosuch.pem",
        ),
        (
            vec![&client],
            [&SESSION[..], &["--resolve", "a"]].concat(),
            "expected NAME=ADDRESS",
        ),
    ] {
        let output = traced(&clusters, &arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {told}");
        assert!(told.contains(wanted), "{arguments:?}: {told}");
    }
}
