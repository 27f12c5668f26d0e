//! The folder of a run on a real file system.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use meshproof_record::{RunRecord, SCHEMA, Tool};
use meshproof_reports::{WriteError, write_run};

fn record(run_id: &str) -> RunRecord {
    RunRecord {
        schema: SCHEMA.into(),
        run_id: run_id.into(),
        tool: Tool {
            version: "0.1.0".into(),
            commit: None,
        },
        provider: "embedded".into(),
        started: String::new(),
        finished: String::new(),
        versions: [].into(),
        scenarios: vec![],
        problems: vec![],
        phases: vec![],
        waits: vec![],
        findings: vec![],
    }
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn writes_the_reports_and_moves_the_link() {
    let root = tempfile::tempdir().unwrap();
    let written = write_run(root.path(), &record("one")).unwrap();
    assert_eq!(
        entries(&written.folder),
        [
            "cases.md",
            "junit.xml",
            "report.html",
            "run.json",
            "summary.md"
        ]
    );
    write_run(root.path(), &record("two")).unwrap();
    write_run(root.path(), &record("two")).unwrap();
    assert_eq!(entries(root.path()), ["latest", "one", "two"]);
    assert_eq!(
        fs::read_link(root.path().join("latest")).unwrap(),
        Path::new("two")
    );
    let read: RunRecord =
        serde_json::from_slice(&fs::read(root.path().join("latest/run.json")).unwrap()).unwrap();
    assert_eq!(read, record("two"));
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    let root = tempfile::tempdir().unwrap();
    for name in ["", ".", "..", "../up", "/abs", "a/b", "latest"] {
        assert!(
            matches!(
                write_run(root.path(), &record(name)),
                Err(WriteError::RunId(_))
            ),
            "{name:?}"
        );
    }
    assert_eq!(entries(root.path()), Vec::<String>::new());
}

#[test]
fn a_write_that_fails_says_what_and_leaves_nothing_half_written() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("run/junit.xml/occupied")).unwrap();
    let error = write_run(root.path(), &record("run"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("junit.xml"), "{error}");
    assert_eq!(entries(&root.path().join("run")), ["junit.xml", "run.json"]);
    assert_eq!(entries(root.path()), ["run"]);
}
