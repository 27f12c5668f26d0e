//! What runs leave on this machine while they go on, so that what a killed one has left on clusters can be found.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use meshproof_cluster::{Found, Journal, Side};

use crate::exit::Exit;
use crate::failure::Failure;

/// Beside the journals of a run: locked for as long as it goes on, however it ends.
const LOCK: &str = "lock";
/// How journals end.
const JOURNAL: &str = "json";

/// A run that goes on.
#[derive(Debug)]
pub(crate) struct State {
    folder: PathBuf,
    run: String,
    lock: PathBuf,
    // The kernel gives the lock back when this process ends.
    _locked: File,
}

impl State {
    /// Begins with nothing made.
    ///
    /// # Errors
    /// The folder cannot be made or written to.
    pub(crate) fn of_run(run: &str) -> Result<Self, Failure> {
        let folder = folder()?;
        let lock = folder.join(format!("{run}.{LOCK}"));
        let failed = |error: io::Error| {
            let place = lock.display();
            Failure::new(
                Exit::EnvironmentFailed,
                format!("note that the run goes on in {place}: {error}"),
            )
        };
        let mut builder = DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(failed)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let locked = options.open(&lock).map_err(failed)?;
        locked.lock().map_err(failed)?;
        Ok(Self {
            folder,
            run: run.to_owned(),
            lock,
            _locked: locked,
        })
    }

    /// Where the scenario at this place of the run notes what it does to a cluster.
    pub(crate) fn journal(&self, side: Side, at: usize, cluster: &str) -> Journal {
        Journal {
            path: self
                .folder
                .join(format!("{}.{at}.{side}.{JOURNAL}", self.run)),
            cluster: cluster.to_owned(),
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // It tells nothing any more; where it stays, it is nobody's lock.
        drop(fs::remove_file(&self.lock));
    }
}

/// What runs of this machine have left.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Journals of runs that have ended.
    pub(crate) found: Vec<Found>,
    /// Runs that go on.
    pub(crate) going: Vec<String>,
    /// Files that cannot be read, with the reason.
    pub(crate) unreadable: Vec<String>,
}

/// Looks for journals.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn left() -> Result<Left, Failure> {
    let folder = folder()?;
    let failed = |error: io::Error| {
        let place = folder.display();
        Failure::new(
            Exit::EnvironmentFailed,
            format!("look for what runs have left in {place}: {error}"),
        )
    };
    let mut left = Left::default();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(left),
        entries => entries.map_err(failed)?,
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    for path in paths {
        let ends = |end: &str| path.extension().is_some_and(|found| found == end);
        if ends(LOCK) {
            let run = path.file_stem().unwrap_or_default().to_string_lossy();
            if goes_on(&path) {
                left.going.push(run.into_owned());
            } else {
                fs::remove_file(&path).map_err(failed)?;
            }
        } else if ends(JOURNAL) {
            match Journal::read(&path) {
                Ok(found) => left.found.push(found),
                Err(why) => left.unreadable.push(why),
            }
        }
    }
    let going = &left.going;
    left.found.retain(|found| !going.contains(&found.run));
    Ok(left)
}

fn goes_on(lock: &Path) -> bool {
    let file = File::open(lock);
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// By the XDG Base Directory Specification.
fn folder() -> Result<PathBuf, Failure> {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let state = state.ok_or_else(|| {
        let message = "neither XDG_STATE_HOME nor HOME is set: there is no place to note what is made on clusters";
        Failure::new(Exit::EnvironmentFailed, message)
    })?;
    Ok(state.join("meshproof/runs"))
}
