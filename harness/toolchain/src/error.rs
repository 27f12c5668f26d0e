//! What can go wrong.

use std::path::PathBuf;

use crate::Program;

/// Why a program cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolchainError {
    /// The named or cached file is no program for this machine.
    #[error("{program} at {path} cannot be run: {problem}")]
    NotRunnable {
        /// Which program.
        program: Program,
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// Envoy of another version than the accepted ones.
    #[error("envoy {version} at {path} is outside the accepted range {accepted}: name another with MESHPROOF_ENVOY or pass --any-envoy")]
    EnvoyVersion {
        /// The file.
        path: PathBuf,
        /// What it says of itself.
        version: String,
        /// The accepted range.
        accepted: String,
    },
    /// Programs are missing and could not be fetched.
    #[error("{0}")]
    Missing(String),
    /// A file operation failed.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
