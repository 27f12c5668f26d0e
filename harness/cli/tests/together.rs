//! Scenarios of one set-up follow each other on the same clusters, unless one leaves something in them.
//!
//! Skipped with the reason where the machine lacks what clusters need; in CI that is a failure.

#![allow(clippy::unwrap_used)]

#[path = "running/able.rs"]
mod able;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use able::able;
use meshproof_record::{RunRecord, Status};
use tempfile::TempDir;

fn root() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    folder.canonicalize().unwrap()
}

/// A copy of the tutorial's scenario under another name.
fn copy(folder: &TempDir, name: &str) -> PathBuf {
    let text = fs::read_to_string(root().join("scenarios/mysql-mtls.yaml")).unwrap();
    let text = text.replace("../fixtures", root().join("fixtures").to_str().unwrap());
    let renamed = text.replacen("name: mysql-mtls", &format!("name: {name}"), 1);
    assert_ne!(renamed, text);
    let path = folder.path().join(format!("{name}.yaml"));
    fs::write(&path, renamed).unwrap();
    path
}

/// Runs scenarios one after the other, and returns the record and standard error.
fn run(files: &[PathBuf], cases: &str) -> Option<(RunRecord, String)> {
    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshproof"));
    command
        .arg("run")
        .args(files)
        .args(["--jobs", "1", "--case", cases]);
    command.arg("--out").arg(out.path()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if !able(output.status, &error) {
        return None;
    }
    assert!(output.status.success(), "{error}");
    let json = fs::read(out.path().join("latest/run.json")).unwrap();
    Some((serde_json::from_slice(&json).unwrap(), error))
}

/// How often clusters were started.
fn starts(record: &RunRecord) -> usize {
    let phases = record.phases.iter();
    phases
        .filter(|phase| phase.name.ends_with(": start clusters"))
        .count()
}

#[test]
fn scenarios_of_one_set_up_share_clusters() {
    let scenarios = root().join("scenarios");
    let files = ["mysql-mtls.yaml", "policy.yaml", "certificates.yaml"];
    let files = files.map(|name| scenarios.join(name));
    let cases = "mysql-mtls::|policy::deny-at-the-ingress|certificates::client-expired-tls-13";
    let Some((record, error)) = run(&files, cases) else {
        return;
    };
    assert_eq!(starts(&record), 1, "{error}");
    assert_eq!(record.scenarios.len(), 3);
    let cases = record.scenarios.iter().flat_map(|scenario| &scenario.cases);
    assert!(
        cases
            .into_iter()
            .all(|case| case.verdict.status == Status::Pass)
    );
    // Each scenario has its own pods in its report, and nothing of the others.
    let names: Vec<&str> = record
        .scenarios
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["mysql-mtls", "policy", "certificates"]);
}

#[test]
fn what_a_scenario_leaves_in_the_database_no_other_finds() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["first", "second"].map(|name| copy(&folder, name));
    let Some((record, error)) = run(&files, "::sql-crosses-encrypted$") else {
        return;
    };
    assert_eq!(starts(&record), 2, "{error}");
    let why =
        "first: no other scenario follows on these clusters: the database has another answer to ";
    assert!(error.lines().any(|line| line.starts_with(why)), "{error}");
}
