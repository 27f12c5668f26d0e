//! Finds or fetches the programs that the embedded clusters run: Envoy, a MariaDB or MySQL server
//! and client, and `nft`.
//!
//! The order is: an explicit path (`MESHPROOF_ENVOY`, `MESHPROOF_MYSQLD`, `MESHPROOF_MYSQL`,
//! `MESHPROOF_NFT`), `PATH`, the cache, then the machine's ordinary package clients. Nothing is
//! installed on the system. Versions and digests are in `fixtures/toolchain.toml`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod cache;
mod datadir;
mod debian;
mod error;
mod find;
mod hex;
mod libraries;
mod options;
mod pins;
mod progress;
mod run;
mod tool;
mod version;
mod wheel;

#[cfg(test)]
mod tests;

pub use datadir::{REDO_LOG, prepared_datadir};
pub use error::{Missing, ToolchainError};
pub use find::find;
pub use options::{Environment, Options};
pub use progress::{Event, Progress, Silent};
pub use tool::{Origin, Program, Tool, Toolchain};
