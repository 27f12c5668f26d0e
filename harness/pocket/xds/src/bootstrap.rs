//! Envoy's bootstrap file and command line.

use std::{ffi::OsString, path::{Path, PathBuf}};

use serde_json::Value;

/// Where the admin port listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// A Unix socket.
    Pipe(PathBuf),
    /// A TCP address; Istio's is `127.0.0.1:15000`.
    Tcp(std::net::SocketAddr),
}

/// What a bootstrap depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapOptions {
    /// The node's id, for example `mysql-client-1.default`.
    pub node_id: String,
    /// The Unix socket of the ADS server, as the proxy sees it.
    pub xds_socket: PathBuf,
    /// Where the admin port listens.
    pub admin: AdminAddress,
    /// The socket mark (`SO_MARK`) of every upstream connection; needs `CAP_NET_ADMIN`.
    pub mark: Option<u32>,
}

/// The bootstrap, to be written as JSON.
pub fn bootstrap(_options: &BootstrapOptions) -> Value {
    unimplemented!()
}

/// Envoy's arguments (without its own name) for the bootstrap at `config`; `version` is major, minor.
pub fn arguments(_config: &Path, _version: (u32, u32)) -> Vec<OsString> {
    unimplemented!()
}
