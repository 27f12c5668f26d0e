//! A scenario with one fault in it, the command that runs it, and what it leaves.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use meshproof_record::RunRecord;
use tempfile::TempDir;

/// Exit codes for what a machine may lack (see the README's table).
const LACKING: [i32; 2] = [4, 5];

/// A scenario, changed, with its reports beside it.
pub(crate) struct Bench {
    folder: TempDir,
}

/// What a command ended with.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    /// The tutorial's scenario as it is.
    pub(crate) fn new() -> Self {
        Self::of("mysql-mtls.yaml")
    }

    /// A scenario of the workspace as it is.
    pub(crate) fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { folder };
        let fixtures = root().join("fixtures");
        let text = fs::read_to_string(root().join("scenarios").join(name)).unwrap();
        let text = text.replace("../fixtures", fixtures.to_str().unwrap());
        fs::write(bench.scenario(), text).unwrap();
        bench
    }

    /// The scenario with a piece of its text replaced, once.
    pub(crate) fn with(self, from: &str, to: &str) -> Self {
        let text = fs::read_to_string(self.scenario()).unwrap();
        assert!(text.contains(from), "the scenario has no {from:?}");
        fs::write(self.scenario(), text.replacen(from, to, 1)).unwrap();
        self
    }

    /// The scenario with a changed copy of one of its fixtures.
    pub(crate) fn with_fixture(self, path: &str, from: &str, to: &str) -> Self {
        let original = fixture(path);
        let text = fs::read_to_string(&original).unwrap();
        assert!(text.contains(from), "{path} has no {from:?}");
        let copy = self.path("changed.yaml");
        fs::write(&copy, text.replacen(from, to, 1)).unwrap();
        self.with(original.to_str().unwrap(), copy.to_str().unwrap())
    }

    /// A file or folder beside the scenario.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn scenario(&self) -> PathBuf {
        self.path("scenario.yaml")
    }

    /// The arguments of a run that reports to the folder.
    pub(crate) fn arguments(&self) -> Vec<PathBuf> {
        let out = self.path("reports");
        vec!["run".into(), self.scenario(), "--out".into(), out]
    }

    /// The command that runs the scenario.
    pub(crate) fn command(&self) -> Command {
        let mut command = meshproof();
        command.args(self.arguments());
        command
    }

    /// Runs the cases that match, or says why this machine cannot and returns nothing.
    pub(crate) fn run_cases(&self, pattern: &str) -> Option<Ended> {
        able(end(self.command().args(["--case", pattern])))
    }

    /// Runs the scenario, or says why this machine cannot and returns nothing.
    pub(crate) fn run(&self) -> Option<Ended> {
        able(end(&mut self.command()))
    }

    pub(crate) fn record(&self) -> RunRecord {
        serde_json::from_slice(&fs::read(self.path("reports/latest/run.json")).unwrap()).unwrap()
    }

    pub(crate) fn junit(&self) -> String {
        fs::read_to_string(self.path("reports/latest/junit.xml")).unwrap()
    }
}

/// The command, of which nothing reads or waits for a person.
pub(crate) fn meshproof() -> Command {
    Command::new(env!("CARGO_BIN_EXE_meshproof"))
}

/// The arguments, run by a shell as the first user of a user namespace of its own; they are the
/// script's `$@`. The limits and mounts that the script sets end with it.
pub(crate) fn in_namespace(script: &str, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-e", "-c", script, "sh"]);
    command.args(arguments);
    command
}

/// Runs a command to its end.
pub(crate) fn end(command: &mut Command) -> Ended {
    Ended::of(command.stdin(Stdio::null()).output().unwrap())
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = output;
        Self {
            code: status
                .code()
                .unwrap_or_else(|| panic!("a signal ended it: {status}")),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }
}

/// Nothing, with the reason printed, where the machine cannot run scenarios at all.
pub(crate) fn able(ended: Ended) -> Option<Ended> {
    if LACKING.contains(&ended.code) {
        skip(&ended.stderr);
        return None;
    }
    Some(ended)
}

/// Says why a test is skipped; in CI that is a failure.
pub(crate) fn skip(why: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "this machine cannot run this test, and CI must\n{why}"
    );
    eprintln!("skipped: {why}");
}

/// A fixture, as the scenario names it.
pub(crate) fn fixture(path: &str) -> PathBuf {
    root().join("fixtures").join(path)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}
