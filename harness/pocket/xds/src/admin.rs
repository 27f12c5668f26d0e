//! Envoy's admin port: what is active, what still warms.

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

/// Why the admin port gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The connection failed.
    #[error("asking envoy's admin port for {path}: {source}")]
    Http {
        /// The path asked for.
        path: String,
        /// What failed.
        source: hyper::Error,
    },
    /// The answer was not 200.
    #[error("asking envoy's admin port for {path}: answered {status}: {body}")]
    Status {
        /// The path asked for.
        path: String,
        /// The HTTP status.
        status: u16,
        /// The answer's text.
        body: String,
    },
    /// The answer could not be read.
    #[error("reading envoy's answer to {path}: {problem}")]
    Parse {
        /// The path asked for.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// How much is warming.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warming {
    /// Clusters that wait for endpoints, names or secrets.
    pub clusters: u64,
    /// Listeners that wait.
    pub listeners: u64,
}

/// One listener or cluster of the dump.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The listener's or cluster's name.
    pub name: String,
    /// What serves.
    pub active: Option<Value>,
    /// What waits to replace it.
    pub warming: Option<Value>,
    /// The last error of this resource.
    pub error: Option<String>,
}

/// What the proxy holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// Listeners by name.
    pub listeners: Vec<Held>,
    /// Clusters by name.
    pub clusters: Vec<Held>,
}

/// Fetches `path` over a fresh connection to the admin port.
#[allow(clippy::unused_async)]
pub async fn get<S>(_stream: S, _path: &str) -> Result<bytes::Bytes, AdminError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    unimplemented!()
}

/// Whether anything is warming.
#[allow(clippy::unused_async)]
pub async fn warming<S>(_stream: S) -> Result<Warming, AdminError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    unimplemented!()
}

/// The listeners and clusters that the proxy holds, active and warming.
#[allow(clippy::unused_async)]
pub async fn content<S>(_stream: S) -> Result<Content, AdminError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    unimplemented!()
}
