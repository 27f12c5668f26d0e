//! `meshproof report` from outside: what it writes, says and exits with.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn report(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meshproof"))
        .arg("report")
        .args(arguments)
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A record of one negative case that never ran, with a verdict that may be anything.
fn record(status: &str) -> Value {
    json!({
        "schema": "meshproof.dev/run/v1alpha1",
        "run_id": "r",
        "tool": {"version": "0.1.0"},
        "provider": "embedded",
        "started": "2026-03-01T10:11:12Z",
        "finished": "2026-03-01T10:11:13Z",
        "versions": {},
        "scenarios": [{
            "name": "s", "file": "s.yaml", "bindings": {},
            "cases": [{
                "name": "c", "line": 1, "source": "default/client", "target": "h:3306", "speaks": "mysql",
                "expectation": {"outcome": "refused", "hop": "ingress", "cause": "not-tls"},
                "evidence": {},
                "verdict": {"status": status, "summary": "as written"},
                "started": "2026-03-01T10:11:12Z", "duration_ms": 1.0,
            }],
        }],
    })
}

fn written(folder: &Path, record: &Value) -> PathBuf {
    let path = folder.join("run.json");
    fs::write(&path, record.to_string()).unwrap();
    path
}

#[test]
fn the_exit_code_is_that_of_the_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    for (status, wanted) in [("fail", 1), ("inconclusive", 2), ("skipped", 2)] {
        let path = written(folder.path(), &record(status));
        let output = report(&[path.to_str().unwrap()]);
        assert_eq!(code(&output), wanted, "{status}: {}", stderr(&output));
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(table.contains(status), "{table}");
    }
}

#[test]
fn a_pass_without_evidence_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), &record("pass"));
    let output = report(&[path.to_str().unwrap()]);
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    let said = stderr(&output);
    assert!(
        said.contains("s::c was recorded as pass, and is inconclusive"),
        "{said}"
    );
}

#[test]
fn a_verdict_that_the_evidence_contradicts_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = record("pass");
    record["scenarios"][0]["cases"][0]["evidence"] = json!({"client": {
        "command": ["mysql"], "exit": 0, "stdout": "1\n", "stderr": "", "seconds": 0.1,
    }});
    let path = written(folder.path(), &record);
    let output = report(&[path.to_str().unwrap()]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(
        stderr(&output).contains("is fail by its evidence"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_folder_of_a_run_stands_for_its_record_and_files_are_written() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), &record("fail"));
    let [html, markdown, junit] = ["r.html", "s.md", "j.xml"].map(|name| folder.path().join(name));
    let output = report(&[
        folder.path().to_str().unwrap(),
        "--html",
        html.to_str().unwrap(),
        "--markdown",
        markdown.to_str().unwrap(),
        "--junit",
        junit.to_str().unwrap(),
    ]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    assert!(fs::read_to_string(html).unwrap().contains("not conformant"));
    assert!(
        fs::read_to_string(markdown)
            .unwrap()
            .contains("| s::c | fail |")
    );
    assert!(fs::read_to_string(junit).unwrap().contains("<failure"));
}

#[test]
fn what_cannot_be_read_has_a_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    let whole = record("fail").to_string();
    let newer = whole.replace("v1alpha1", "v2");
    for (text, said) in [
        (&whole[..200], "cut off after 200 bytes"),
        (&newer, "of version \"meshproof.dev/run/v2\""),
        ("[1]", "not a run record"),
    ] {
        fs::write(&path, text).unwrap();
        let output = report(&[path.to_str().unwrap()]);
        assert_eq!(code(&output), 8, "{}", stderr(&output));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
    let output = report(&[folder.path().join("none.json").to_str().unwrap()]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
}
