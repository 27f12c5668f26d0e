//! What was found.

use std::{ffi::OsString, fmt, path::PathBuf};

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

impl Program {
    /// Every program.
    pub const ALL: [Self; 4] = [Self::Envoy, Self::Mysqld, Self::Mysql, Self::Nft];

    /// The environment variable that names it.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Envoy => "MESHPROOF_ENVOY",
            Self::Mysqld => "MESHPROOF_MYSQLD",
            Self::Mysql => "MESHPROOF_MYSQL",
            Self::Nft => "MESHPROOF_NFT",
        }
    }

    /// The names under which it is looked for on `PATH`, the first one found counts.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Envoy => &["envoy"],
            Self::Mysqld => &["mariadbd", "mysqld"],
            Self::Mysql => &["mariadb", "mysql"],
            Self::Nft => &["nft"],
        }
    }
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

/// Where a program came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Named by this environment variable.
    Variable(&'static str),
    /// Found on `PATH`, or in the system's folders for administrators' programs.
    Path,
    /// Was in the cache.
    Cache,
    /// Fetched just now, by this package client.
    Fetched(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::Path => f.write_str("PATH"),
            Self::Cache => f.write_str("cache"),
            Self::Fetched(client) => write!(f, "fetched with {client}"),
        }
    }
}

/// One program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Absolute path of the program.
    pub path: PathBuf,
    /// Its version as it says itself, for example `1.40.0` or `10.11.14-MariaDB-0+deb12u1`.
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
    /// Folders with the libraries of unpacked programs; empty where the system's own suffice.
    pub library_paths: Vec<PathBuf>,
    /// For `--basedir`: the prefix of a server that is not installed under `/usr`.
    pub mysql_basedir: Option<PathBuf>,
}

impl Toolchain {
    /// Whether the server is MariaDB, which differs from MySQL in flags and words.
    pub fn is_mariadb(&self) -> bool {
        self.mysqld.version.contains("MariaDB")
    }

    /// The value of `LD_LIBRARY_PATH`, if the programs need one.
    pub fn library_path(&self) -> Option<OsString> {
        if self.library_paths.is_empty() {
            return None;
        }
        let mut joined = OsString::new();
        for (index, path) in self.library_paths.iter().enumerate() {
            if index > 0 {
                joined.push(":");
            }
            joined.push(path);
        }
        Some(joined)
    }

    /// Envoy's major and minor version; `None` where it says none (with `--any-envoy`).
    pub fn envoy_version(&self) -> Option<(u32, u32)> {
        crate::version::major_minor(&self.envoy.version)
    }
}
