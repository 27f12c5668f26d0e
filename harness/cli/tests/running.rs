//! Whole runs that must not end well, and what is left of them: nothing but the report.
//!
//! Skipped with the reason where the machine lacks what clusters need; in CI that is a failure.

#![allow(clippy::unwrap_used)]

#[path = "running/able.rs"]
mod able;
#[path = "running/leftovers.rs"]
mod leftovers;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use able::able;
use leftovers::Family;
use meshproof_record::{Hop, RunRecord, Status};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A scenario of its own, with its reports beside it.
struct Bench {
    folder: TempDir,
    scenario: PathBuf,
}

impl Bench {
    /// The tutorial's scenario, with manifests added to the server's cluster.
    fn with_manifests(manifests: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .canonicalize()
            .unwrap();
        let text = fs::read_to_string(root.join("scenarios/mysql-mtls.yaml")).unwrap();
        let mut text = text.replace("../fixtures", root.join("fixtures").to_str().unwrap());
        for (nth, manifest) in manifests.iter().enumerate() {
            let path = folder.path().join(format!("extra-{nth}.yaml"));
            fs::write(&path, manifest).unwrap();
            let place = "/mysql/mysql.yaml\n";
            assert!(text.contains(place));
            text = text.replacen(place, &format!("{place}      - {}\n", path.display()), 1);
        }
        let scenario = folder.path().join("scenario.yaml");
        fs::write(&scenario, text).unwrap();
        Self { folder, scenario }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshproof"));
        command
            .arg("run")
            .arg(&self.scenario)
            .arg("--out")
            .arg(self.folder.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Exit code and standard error of a run, or `None` where the machine cannot run it.
    fn run(&self) -> Option<(i32, String)> {
        let output = self.command().output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        able(output.status, &error).then(|| (output.status.code().unwrap(), error))
    }

    fn record(&self) -> RunRecord {
        serde_json::from_slice(&fs::read(self.folder.path().join("latest/run.json")).unwrap())
            .unwrap()
    }

    fn junit(&self) -> String {
        fs::read_to_string(self.folder.path().join("latest/junit.xml")).unwrap()
    }

    /// Starts a run and returns once a line of its progress contains `until`.
    fn start(&self, until: &str) -> Option<Child> {
        let mut child = self.command().spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let mut seen = String::new();
        if !lines.by_ref().any(|line| {
            seen.push_str(&line);
            line.contains(until)
        }) {
            let status = child.wait().unwrap();
            assert!(
                !able(status, &seen),
                "the run ended with {status} before {until:?}:\n{seen}"
            );
            return None;
        }
        // Read on, or the run would be stopped by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Some(child)
    }
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

#[test]
fn plaintext_behind_the_ingress_gateway_fails_and_names_the_leg() {
    let disable = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: plaintext, namespace: default}\n\
                   spec: {mtls: {mode: DISABLE}}\n";
    let bench = Bench::with_manifests(&[disable]);
    let Some((code, error)) = bench.run() else {
        return;
    };
    assert_eq!(code, 1, "{error}");
    let record = bench.record();
    let case = &record.scenarios[0].cases[0];
    assert_eq!(case.verdict.status, Status::Fail, "{:?}", case.verdict);
    assert!(
        case.verdict.summary.contains("server-sidecar"),
        "{}",
        case.verdict.summary
    );
    assert!(
        case.evidence.logs.contains_key(&Hop::ServerSidecar),
        "the session itself must have worked"
    );
    let negative = &record.scenarios[0].cases[1];
    assert_eq!(
        negative.verdict.status,
        Status::Inconclusive,
        "its control failed: {:?}",
        negative.verdict
    );
}

#[test]
fn an_unsupported_field_ends_the_run_as_bad_input() {
    let wrong = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: wrong, namespace: default}\n\
                 spec: {mtls: {mood: DISABLE}}\n";
    let bench = Bench::with_manifests(&[wrong]);
    let Some((code, error)) = bench.run() else {
        return;
    };
    assert_eq!(code, 3, "{error}");
    assert!(bench.junit().contains("mood"), "{}", bench.junit());
}

#[test]
fn an_unknown_kind_ends_the_run_as_bad_input() {
    let bench = Bench::with_manifests(&[
        "apiVersion: example.org/v1\nkind: Wish\nmetadata: {name: w, namespace: default}\n",
    ]);
    let Some((code, error)) = bench.run() else {
        return;
    };
    assert_eq!(code, 3, "{error}");
    assert!(bench.junit().contains("Wish"), "{}", bench.junit());
}

#[test]
fn signals_end_the_run_with_a_report_and_nothing_left() {
    for (sent, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let bench = Bench::with_manifests(&[]);
        let Some(mut child) = bench.start("sql-crosses-encrypted: running") else {
            return;
        };
        let family = Family::of(child.id());
        signal(&child, sent);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(bench.junit().contains("interrupted"), "{}", bench.junit());
        family.assert_gone();
    }
}

#[test]
fn nothing_outlives_a_command_that_is_killed() {
    for until in [
        "cluster client",
        "sql-crosses-encrypted: running",
        "no-sidecar-gateway-port: running",
    ] {
        let bench = Bench::with_manifests(&[]);
        let Some(mut child) = bench.start(until) else {
            return;
        };
        let family = Family::of(child.id());
        signal(&child, Signal::SIGKILL);
        child.wait().unwrap();
        family.assert_gone();
    }
}
