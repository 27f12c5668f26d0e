//! Finds or fetches the programs that the embedded clusters run: Envoy, a MariaDB or MySQL server
//! and client, and `nft`.
//!
//! The order is: an explicit path, `PATH`, the cache, then the machine's ordinary package clients.
//! Nothing is installed on the system.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod options;
mod progress;
mod tool;

use std::path::PathBuf;

pub use error::ToolchainError;
pub use options::{Environment, Options};
pub use progress::{Event, Progress, Silent};
pub use tool::{Origin, Program, Tool, Toolchain};

/// Finds every program, fetching what is missing unless `options.fetch` is false. Blocks.
pub fn find(_options: &Options, _progress: &dyn Progress) -> Result<Toolchain, ToolchainError> {
    unimplemented!()
}

/// An initialised data directory of the server's version, to be copied for each run. Blocks.
pub fn prepared_datadir(_toolchain: &Toolchain, _options: &Options, _progress: &dyn Progress) -> Result<PathBuf, ToolchainError> {
    unimplemented!()
}
