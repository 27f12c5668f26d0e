//! Running package clients, with progress by what has arrived on disk.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Command, Output, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::{Event, Progress, ToolchainError};

/// How often a running download is looked at, for the eye.
const GLANCE: Duration = Duration::from_millis(100);
/// How many of a failed command's last lines are repeated.
const LAST_LINES: usize = 4;

/// Why something could not be fetched: a reason to tell, or a fault of this machine.
#[derive(Debug)]
pub(crate) enum Failure {
    Cannot(String),
    Broken(ToolchainError),
}

impl From<ToolchainError> for Failure {
    fn from(error: ToolchainError) -> Self {
        Self::Broken(error)
    }
}

/// A download to be watched: bytes below `folder` are reported as those of `what`.
pub(crate) struct Watched<'a> {
    pub(crate) what: &'a str,
    pub(crate) folder: &'a Path,
    pub(crate) progress: &'a dyn Progress,
}

/// Runs `command` to its end; failing is an error with its last lines.
pub(crate) fn run(name: &str, command: &mut Command) -> Result<Output, Failure> {
    let cannot = |problem: String| Failure::Cannot(format!("{name} {problem}"));
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| cannot(format!("could not be started: {error}")))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = last_lines(&output);
    Err(cannot(format!("ended with {}: {said}", output.status)))
}

/// Like [`run`], telling how much has arrived meanwhile.
pub(crate) fn run_watched(
    name: &str,
    command: &mut Command,
    watched: &Watched<'_>,
) -> Result<Output, Failure> {
    thread::scope(|scope| {
        let (_ended, ends) = mpsc::channel::<()>();
        scope.spawn(move || {
            while ends.recv_timeout(GLANCE) == Err(RecvTimeoutError::Timeout) {
                let bytes = size_below(watched.folder);
                watched.progress.event(Event::Arrived {
                    what: watched.what.to_owned(),
                    bytes,
                });
            }
        });
        run(name, command)
    })
}

/// The bytes of all files below a folder. Files come and go while this looks; those count as nothing.
fn size_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.metadata().ok()?, entry.path())))
        .map(|(metadata, path)| {
            if metadata.is_dir() {
                size_below(&path)
            } else {
                metadata.size()
            }
        })
        .sum()
}

/// The last lines of what a command said, as one line.
pub(crate) fn last_lines(output: &Output) -> String {
    let text = String::from_utf8_lossy(if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    })
    .into_owned();
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if lines.is_empty() {
        "it said nothing".to_owned()
    } else {
        lines[lines.len().saturating_sub(LAST_LINES)..].join("; ")
    }
}
