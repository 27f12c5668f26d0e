//! The command in a process of its own, with kubeconfigs in files and nothing else of this process.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use meshproof_cluster::Side;
use meshproof_record::RunRecord;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::clusters::Served;
use crate::support;

/// In place of the exit code of a process that was killed.
pub(crate) const KILLED: i32 = -9;

/// A folder with the kubeconfigs of both clusters, `client` and `server`.
pub(crate) struct Folder {
    folder: TempDir,
    out: String,
}

/// How the command ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn of(served: &Served) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for side in [Side::Client, Side::Server] {
            write(&folder.path().join(side.name()), served.kubeconfig(side));
        }
        let out = folder.path().join("out").to_str().unwrap().to_owned();
        Self { folder, out }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where reports go.
    pub(crate) fn out(&self) -> &str {
        &self.out
    }

    /// The tutorial's scenario in the folder; its manifests are named absolutely.
    pub(crate) fn scenario(&self) -> String {
        let file = support::scenario();
        let root = file.parent().unwrap().parent().unwrap();
        let fixtures = root.join("fixtures");
        let text = fs::read_to_string(&file).unwrap();
        let text = text.replace("../fixtures", fixtures.to_str().unwrap());
        let path = self.path().join("scenario.yaml");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The command with `--on contexts` and both contexts, from the files in `KUBECONFIG`.
    pub(crate) async fn meshproof(&self, arguments: &[&str]) -> Ran {
        self.meshproof_with(&["client", "server"], arguments).await
    }

    /// The same from other files of the folder.
    pub(crate) async fn meshproof_with(&self, files: &[&str], arguments: &[&str]) -> Ran {
        run(self.command(files, arguments)).await
    }

    /// The same, until `line` stands in what it says: then with a SIGINT.
    pub(crate) async fn interrupted(&self, arguments: &[&str], line: &'static str) -> Ran {
        self.signalled(Signal::SIGINT, arguments, line).await
    }

    /// The same with a SIGKILL.
    pub(crate) async fn killed(&self, arguments: &[&str], line: &'static str) -> Ran {
        self.signalled(Signal::SIGKILL, arguments, line).await
    }

    async fn signalled(&self, signal: Signal, arguments: &[&str], line: &'static str) -> Ran {
        let mut command = self.command(&["client", "server"], arguments);
        let until = move || {
            let mut child = command
                .stderr(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let mut stderr = String::new();
            for said in BufReader::new(child.stderr.take().unwrap()).lines() {
                let said = said.unwrap();
                if said.contains(line) {
                    let id = i32::try_from(child.id()).unwrap();
                    kill(Pid::from_raw(id), signal).unwrap();
                }
                stderr.push_str(&said);
                stderr.push('\n');
            }
            Ran {
                // Whoever is killed has none.
                code: child.wait().unwrap().code().unwrap_or(KILLED),
                stdout: String::new(),
                stderr,
            }
        };
        tokio::task::spawn_blocking(until).await.unwrap()
    }

    fn command(&self, files: &[&str], arguments: &[&str]) -> Command {
        let files = files.iter().map(|file| self.path().join(file));
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshproof"));
        command
            .args(arguments)
            .args(["--on", "contexts", "--client-context", "client"])
            .args(["--server-context", "server"])
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env("KUBECONFIG", std::env::join_paths(files).unwrap());
        command
    }

    /// The record of the last run.
    pub(crate) fn record(&self) -> RunRecord {
        let text = fs::read_to_string(Path::new(&self.out).join("latest/run.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// The clusters are served by this process: it must not wait in their threads.
pub(crate) async fn run(mut command: Command) -> Ran {
    let output = tokio::task::spawn_blocking(move || command.output());
    let output: Output = output.await.unwrap().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        code: output.status.code().unwrap(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

fn write(path: &Path, text: &str) {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
