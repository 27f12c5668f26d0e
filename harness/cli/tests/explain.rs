//! `meshproof explain` from outside: exit codes, output, bad input.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../evidence/tests/data/failures/istio-1.32-envoy-1.40.jsonl")
}

fn explained(file: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meshproof"))
        .args(["explain", "--record"])
        .arg(file)
        .args(more)
        .output()
        .unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn of<'a>(lines: &'a [Value], id: &str) -> &'a Value {
    lines.iter().find(|line| line["id"] == id).unwrap()
}

#[test]
fn one_line_a_record_with_hop_and_cause() {
    let output = explained(&recorded(), &[]);
    assert_eq!(output.status.code(), Some(0));
    let records = fs::read_to_string(recorded()).unwrap();
    let lines = lines(&output);
    assert_eq!(lines.len(), records.lines().count());
    let found = of(&lines, "client-cert-expired-13");
    assert_eq!(found["line"], 5);
    assert_eq!(found["hop"], "ingress");
    assert_eq!(found["cause"], "expired");
    assert_eq!(found["confidence"], "certain");
    assert!(!found["evidence"].as_array().unwrap().is_empty());
}

#[test]
fn the_default_format_tells_less_and_says_what_would_tell() {
    let output = explained(&recorded(), &["--default-format"]);
    assert_eq!(output.status.code(), Some(0));
    let lines = lines(&output);
    let found = of(&lines, "client-cert-expired-13");
    assert_eq!(found["hop"], Value::Null);
    assert_eq!(found["confidence"], "cannot be told");
    let needs = found["needs"][0].as_str().unwrap();
    assert!(
        needs.contains("%DOWNSTREAM_TRANSPORT_FAILURE_REASON%"),
        "{needs}"
    );
    assert_eq!(of(&lines, "server-cert-expired-13")["hop"], "egress");
}

#[test]
fn a_line_that_is_no_record_is_told_and_the_others_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records.jsonl");
    let records = fs::read_to_string(recorded()).unwrap();
    let first = records.lines().next().unwrap();
    fs::write(&file, format!("{first}\n{{\"id\": 1}}\n\n{first}\n")).unwrap();
    let output = explained(&file, &[]);
    assert_eq!(output.status.code(), Some(3));
    let numbers: Vec<Value> = lines(&output)
        .iter()
        .map(|line| line["line"].clone())
        .collect();
    assert_eq!(numbers, [1, 4]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let place = format!("{}:2: not a record of a session", file.display());
    assert!(stderr.contains(&place), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_file_without_records_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records.jsonl");
    let missing = explained(&file, &[]);
    assert_eq!(missing.status.code(), Some(3));
    fs::write(&file, "\n").unwrap();
    let empty = explained(&file, &[]);
    assert_eq!(empty.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&empty.stderr).contains("holds no record"));
}
