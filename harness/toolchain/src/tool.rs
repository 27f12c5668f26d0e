//! What was found.

use std::{fmt, path::PathBuf};

/// A program that the embedded clusters run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Program {
    /// The proxy.
    Envoy,
    /// The database server, `mariadbd` or `mysqld`.
    Mysqld,
    /// The database client, `mariadb` or `mysql`.
    Mysql,
    /// The packet filter's command.
    Nft,
}

/// Where a program came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Named by an environment variable.
    Variable(&'static str),
    /// Found on `PATH`.
    Path,
    /// Already in the cache.
    Cache,
    /// Fetched now, by this package client.
    Fetched(&'static str),
}

/// One program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Absolute path of the program.
    pub path: PathBuf,
    /// Its version as it says itself, for example `1.40.0` or `10.11.14-MariaDB`.
    pub version: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Every program, and what they need to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The proxy.
    pub envoy: Tool,
    /// The database server.
    pub mysqld: Tool,
    /// The database client.
    pub mysql: Tool,
    /// The packet filter's command.
    pub nft: Tool,
    /// For `LD_LIBRARY_PATH`; empty where the programs are the system's own.
    pub library_paths: Vec<PathBuf>,
    /// For `--basedir`: set where the server is not installed under its compiled-in prefix.
    pub mysql_basedir: Option<PathBuf>,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Envoy => "envoy",
            Self::Mysqld => "mysqld",
            Self::Mysql => "mysql client",
            Self::Nft => "nft",
        })
    }
}
