//! Many runs, for a person or a nightly job: `cargo test --release -p meshproof --test stress -- --ignored`.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "running/leftovers.rs"]
mod leftovers;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use leftovers::Family;
use tempfile::TempDir;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn start(out: &TempDir) -> Child {
    Command::new(env!("CARGO_BIN_EXE_meshproof"))
        .current_dir(root())
        .args(["run", "scenarios/mysql-mtls.yaml", "--out"])
        .arg(out.path())
        .env("TMPDIR", out.path().join("tmp"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn mounts() -> usize {
    std::fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .lines()
        .count()
}

fn interfaces() -> usize {
    std::fs::read_dir("/sys/class/net").unwrap().count()
}

/// Somewhere within a run; the clock's nanoseconds are random enough.
fn moment() -> Duration {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    Duration::from_micros(u64::from(now.subsec_nanos()) % 600_000)
}

#[test]
#[ignore = "takes a minute"]
fn a_hundred_runs_pass() {
    for nth in 0..100 {
        let out = tempfile::tempdir().unwrap();
        let status = start(&out).wait().unwrap();
        assert!(
            status.success(),
            "run {nth}: {status}; its report: {:?}",
            out.keep()
        );
    }
}

#[test]
#[ignore = "takes half a minute"]
#[allow(
    clippy::disallowed_methods,
    reason = "the moment of the kill is what is under test"
)]
fn twenty_kills_at_random_moments_leave_nothing() {
    let before = (mounts(), interfaces());
    for nth in 0..20 {
        let out = tempfile::tempdir().unwrap();
        std::fs::create_dir(out.path().join("tmp")).unwrap();
        let mut child = start(&out);
        let after = moment();
        std::thread::sleep(after);
        let family = Family::of(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        if family.is_more_than_one() {
            family.assert_gone();
        }
        assert_eq!(
            (mounts(), interfaces()),
            before,
            "run {nth}, killed after {after:?}"
        );
        let left: Vec<_> = std::fs::read_dir(out.path().join("tmp")).unwrap().collect();
        assert!(
            left.is_empty(),
            "run {nth}, killed after {after:?}: {left:?}"
        );
    }
}
