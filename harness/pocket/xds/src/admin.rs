//! Envoy's admin port: what is active, what still warms.
//!
//! Judge by content: Envoy's dump keeps a stale `version_info` after updates in place, and an
//! acknowledged configuration may still be warming.

mod dump;

use bytes::Bytes;
use http::{Request, header::HOST};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

pub use dump::{Content, Held, parse_content};

/// Gauges that count what is warming.
const WARMING: &str = "/stats?filter=%5E%28cluster_manager.warming_clusters%7Clistener_manager.total_listeners_warming%29%24";
/// Listeners and clusters that came over ADS, and nothing else: a whole dump is megabytes.
const DYNAMIC: [(&str, bool); 3] = [
    ("/config_dump?resource=dynamic_listeners", false),
    ("/config_dump?resource=dynamic_active_clusters", false),
    ("/config_dump?resource=dynamic_warming_clusters", true),
];

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

impl Warming {
    /// Nothing is warming.
    pub fn is_done(self) -> bool {
        self == Self::default()
    }
}

/// A connection to the admin port, for any number of questions.
#[derive(Debug)]
pub struct Admin {
    sender: http1::SendRequest<Empty<Bytes>>,
}

impl Admin {
    /// Speaks HTTP/1.1 over `stream`. Must be called within a tokio runtime.
    pub async fn connect<S>(stream: S) -> Result<Self, AdminError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|source| http_error("/", source))?;
        // Its error reaches the request that waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender })
    }

    /// Fetches `path`.
    pub async fn get(&mut self, path: &str) -> Result<Bytes, AdminError> {
        let request = Request::get(path)
            .header(HOST, "admin")
            .body(Empty::new())
            .map_err(|error| parse_error(path, &error))?;
        self.sender
            .ready()
            .await
            .map_err(|source| http_error(path, source))?;
        let response = self
            .sender
            .send_request(request)
            .await
            .map_err(|source| http_error(path, source))?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|source| http_error(path, source))?
            .to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let body = String::from_utf8_lossy(&body).trim().to_owned();
        Err(AdminError::Status {
            path: path.to_owned(),
            status: status.as_u16(),
            body,
        })
    }

    /// How much is warming.
    pub async fn warming(&mut self) -> Result<Warming, AdminError> {
        let body = self.get(WARMING).await?;
        parse_warming(&String::from_utf8_lossy(&body))
            .map_err(|problem| parse_error(WARMING, &problem))
    }

    /// The listeners and clusters that came over ADS: what serves, what waits to replace it.
    pub async fn content(&mut self) -> Result<Content, AdminError> {
        let mut content = Content::default();
        for (path, warming) in DYNAMIC {
            let body = self.get(path).await?;
            parse_content(&body, warming, &mut content)
                .map_err(|problem| parse_error(path, &problem))?;
        }
        Ok(content)
    }
}

/// Fetches `path` over a fresh connection to the admin port.
pub async fn get<S>(stream: S, path: &str) -> Result<Bytes, AdminError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    Admin::connect(stream).await?.get(path).await
}

/// Reads the lines `name: value` of the two gauges; both must be there.
pub fn parse_warming(stats: &str) -> Result<Warming, String> {
    Ok(Warming {
        clusters: gauge(stats, "cluster_manager.warming_clusters")?,
        listeners: gauge(stats, "listener_manager.total_listeners_warming")?,
    })
}

fn gauge(stats: &str, name: &str) -> Result<u64, String> {
    let value = stats
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(known, value)| (known == name).then_some(value.trim()))
        .ok_or_else(|| format!("{name} is not in it"))?;
    value
        .parse()
        .map_err(|_| format!("{name} is {value:?}, not a number"))
}

fn http_error(path: &str, source: hyper::Error) -> AdminError {
    AdminError::Http {
        path: path.to_owned(),
        source,
    }
}

fn parse_error(path: &str, problem: &impl ToString) -> AdminError {
    AdminError::Parse {
        path: path.to_owned(),
        problem: problem.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_gauges_are_needed() {
        let stats =
            "cluster_manager.warming_clusters: 2\nlistener_manager.total_listeners_warming: 0\n";
        assert_eq!(
            parse_warming(stats),
            Ok(Warming {
                clusters: 2,
                listeners: 0
            })
        );
        assert!(
            parse_warming("cluster_manager.warming_clusters: 2\n")
                .unwrap_err()
                .contains("total_listeners_warming")
        );
        assert!(
            parse_warming(&stats.replace('2', "x"))
                .unwrap_err()
                .contains("not a number")
        );
    }
}
