//! What can go wrong.

use std::{fmt, io, path::PathBuf};

use crate::Program;

/// Why a program cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolchainError {
    /// Neither the environment nor the user's home says where the cache is.
    #[error(
        "finding the cache folder: HOME is not set; set MESHPROOF_CACHE to a folder of your own"
    )]
    NoCacheFolder,
    /// The named file is not there.
    #[error("{variable} names {path}, which does not exist")]
    NoSuchFile {
        /// The environment variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The file is there and may not be executed.
    #[error("{program} at {path} is not executable: chmod +x it, or name another with {}", program.variable())]
    NotExecutable {
        /// Which program.
        program: Program,
        /// The file.
        path: PathBuf,
    },
    /// The file is no program for this machine, or did not start.
    #[error("{program} at {path} cannot be run: {problem}")]
    NotRunnable {
        /// Which program.
        program: Program,
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// The program runs and is not what it should be.
    #[error("{program} at {path} is another program: --version printed {printed:?}")]
    NotTheProgram {
        /// Which program was expected.
        program: Program,
        /// The file.
        path: PathBuf,
        /// The first line printed.
        printed: String,
    },
    /// Envoy of another version than the accepted ones.
    #[error(
        "envoy {version} at {path} is outside the accepted range {accepted}: name another with MESHPROOF_ENVOY, or pass --any-envoy"
    )]
    EnvoyVersion {
        /// The file.
        path: PathBuf,
        /// What it says of itself.
        version: String,
        /// The accepted range.
        accepted: String,
    },
    /// Programs are missing and could not be fetched.
    #[error("{}", list(missing))]
    Missing {
        /// Each with its reason and the ways to provide it.
        missing: Vec<Missing>,
    },
    /// The database's data directory could not be made.
    #[error("making an empty database with {program}: {problem}")]
    Initialise {
        /// The program that was run.
        program: PathBuf,
        /// Its last lines.
        problem: String,
    },
    /// The pinned versions of this build cannot be read.
    #[error("reading the pinned versions: {0}")]
    Pins(String),
    /// A file operation failed.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Programs that could not be had together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The programs.
    pub programs: Vec<Program>,
    /// Why they could not be fetched.
    pub reason: String,
    /// Every way to provide them.
    pub ways: Vec<String>,
}

impl ToolchainError {
    /// For `map_err` on a file operation.
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.programs.iter().map(Program::to_string).collect();
        write!(f, "{}: {}", names.join(", "), self.reason)?;
        self.ways
            .iter()
            .try_for_each(|way| write!(f, "\n    - {way}"))
    }
}

fn list(missing: &[Missing]) -> String {
    let items: Vec<_> = missing.iter().map(|one| format!("\n  {one}")).collect();
    format!(
        "programs are missing; for each, one of these ways provides it:{}",
        items.concat()
    )
}
