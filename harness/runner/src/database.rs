//! The database from its own side: one connection past the sidecar, kept for the whole run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use meshproof_cluster::{ClusterAccess, Forward, LogFollower, PodRef};
use meshproof_record::{DatabaseEvidence, Evidence, Missing};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Value};
use tokio::sync::Mutex;

use crate::judge::{counters, source};

/// How long one attempt to connect, and one query, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long sessions of clients that have ended may take to end at the server, and how often it is asked.
const AT_REST_WITHIN: Duration = Duration::from_millis(200);
const ASKED_EVERY: Duration = Duration::from_millis(2);
/// How long to wait for another line of a silent server before the next attempt.
const NEXT_ATTEMPT: Duration = Duration::from_millis(500);

const COUNTERS_QUERY: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Aborted_connects', 'Connections', 'Questions', 'Threads_connected')";

/// Where the database is and who may log in.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: String,
}

/// The harness's own connection.
pub(crate) struct Database {
    session: Mutex<Session>,
    /// The server's version, as it greets.
    pub(crate) version: String,
    _forward: Forward,
}

struct Session {
    conn: Conn,
    /// Why the server, or the way to it, is not there any more.
    lost: Option<String>,
    /// Statements that the harness sent. Each reading of the counters is one and counts itself.
    sent: u64,
}

/// Why an attempt to connect failed.
enum Attempt {
    /// The server does not take connections, maybe not yet.
    NotYet(String),
    /// The server answered and does not let the harness in.
    Refused(String),
}

/// Counters at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    values: BTreeMap<String, u64>,
    sent: u64,
}

impl Database {
    /// Connects as soon as the server takes connections: tries again with each line that it prints.
    ///
    /// # Errors
    /// In words: at once what a server answers that does not let the harness in, and when `within`
    /// has passed what the last attempt met.
    pub(crate) async fn connect(
        access: &ClusterAccess,
        pod: &PodRef,
        log: Option<&LogFollower>,
        login: &Login,
        within: Duration,
    ) -> Result<Self, String> {
        let mut last = "no attempt was made".to_owned();
        let trying = async {
            loop {
                let mark = log.map(LogFollower::mark);
                match Self::attempt(access, pod, login).await {
                    Err(Attempt::NotYet(why)) => last = why,
                    Err(Attempt::Refused(why)) => return Err(why),
                    Ok(database) => return Ok(database),
                }
                match (log, mark) {
                    (Some(log), Some(mark)) if log.ended().is_none() => {
                        // Whatever ends this wait, the next attempt tells.
                        let _ = log.wait_for(mark, NEXT_ATTEMPT, |_| Some(())).await;
                    }
                    _ => tokio::time::sleep(NEXT_ATTEMPT).await,
                }
            }
        };
        let doing = format!("connecting to the database in pod {pod}");
        match tokio::time::timeout(within, trying).await {
            Ok(result) => result.map_err(|why| format!("{doing}: {why}")),
            Err(_) => Err(format!("{doing} for {:.0} s: {last}", within.as_secs_f64())),
        }
    }

    async fn attempt(access: &ClusterAccess, pod: &PodRef, login: &Login) -> Result<Self, Attempt> {
        let forward = access.forward(pod, login.port).await;
        let forward = forward.map_err(|error| Attempt::NotYet(error.to_string()))?;
        let options = OptsBuilder::default()
            .ip_or_hostname(forward.address.ip().to_string())
            .tcp_port(forward.address.port())
            .user(Some(&login.user))
            .pass(Some(&login.password))
            // A Unix socket that the server names would be one of this machine, another server's.
            .prefer_socket(false)
            // Given, they need not be asked for.
            .max_allowed_packet(Some(16 << 20))
            .wait_timeout(Some(28_800));
        match tokio::time::timeout(PATIENCE, Conn::new(options)).await {
            Ok(Ok(conn)) => {
                let (major, minor, patch) = conn.server_version();
                let session = Mutex::new(Session {
                    conn,
                    lost: None,
                    sent: 0,
                });
                let version = format!("{major}.{minor}.{patch}");
                Ok(Self {
                    session,
                    version,
                    _forward: forward,
                })
            }
            // The server is up and has spoken: the next attempt would hear the same.
            Ok(Err(error @ mysql_async::Error::Server(_))) => {
                Err(Attempt::Refused(error.to_string()))
            }
            Ok(Err(error)) => Err(Attempt::NotYet(error.to_string())),
            Err(_) => Err(Attempt::NotYet("the server did not greet".to_owned())),
        }
    }

    /// Reads the counters.
    pub(crate) async fn read(&self) -> Result<Reading, String> {
        let mut session = self.session.lock().await;
        let rows: Vec<(String, String)> = session
            .query(COUNTERS_QUERY)
            .await?
            .into_iter()
            .filter_map(pair)
            .collect();
        let values: BTreeMap<String, u64> = rows
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
            .collect();
        Ok(Reading {
            values,
            sent: session.sent,
        })
    }

    /// Reads the counters when nobody but the harness is connected any more: a client's last word (even
    /// its goodbye is counted) reaches the server after the client has ended. Sessions that stay longer
    /// are not waited for; they are others'.
    pub(crate) async fn read_at_rest(&self) -> Result<Reading, String> {
        let deadline = Instant::now() + AT_REST_WITHIN;
        loop {
            let reading = self.read().await?;
            let connected = reading.values.get(counters::CONNECTED).copied();
            if connected.unwrap_or(0) <= 1 || Instant::now() > deadline {
                return Ok(reading);
            }
            // The server tells nobody when a connection ends: it has to be asked.
            tokio::time::sleep(ASKED_EVERY).await;
        }
    }

    /// Why the server is not there any more, if it was found to be gone.
    pub(crate) async fn lost(&self) -> Option<String> {
        self.session.lock().await.lost.clone()
    }

    /// Runs a query and returns its rows as text.
    pub(crate) async fn rows(&self, query: &str) -> Result<Vec<Vec<String>>, String> {
        self.session.lock().await.query(query).await
    }
}

impl Session {
    async fn query(&mut self, query: &str) -> Result<Vec<Vec<String>>, String> {
        if let Some(why) = &self.lost {
            return Err(why.clone());
        }
        self.sent += 1;
        let asked = self.conn.query::<mysql_async::Row, _>(query);
        let rows = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error @ mysql_async::Error::Server(_))) => {
                return Err(format!("{query}: {error}"));
            }
            // Everything else than an answer of the server ends the connection.
            Ok(Err(error)) => {
                let why = format!(
                    "the harness's own connection to the database was lost, which ended, was restarted or cannot be reached any more: {query}: {error}"
                );
                return Err(self.lost.insert(why).clone());
            }
            Err(_) => {
                return Err(format!(
                    "{query}: no answer within {} s",
                    PATIENCE.as_secs()
                ));
            }
        };
        Ok(rows
            .into_iter()
            .map(|row| row.unwrap().into_iter().map(text).collect())
            .collect())
    }
}

fn pair(row: Vec<String>) -> Option<(String, String)> {
    <[String; 2]>::try_from(row)
        .ok()
        .map(|[name, value]| (name, value))
}

/// A value of the text protocol, in which all but NULL are bytes.
fn text(value: Value) -> String {
    match value {
        Value::NULL => "NULL".to_owned(),
        Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => other.as_sql(true).trim_matches('\'').to_owned(),
    }
}

/// Puts two readings into a case's evidence, or why there are none.
pub(crate) fn put(
    evidence: &mut Evidence,
    before: &Result<Reading, String>,
    after: &Result<Reading, String>,
) {
    match (before, after) {
        (Ok(before), Ok(after)) => {
            let own = after.sent - before.sent;
            evidence.database = Some(DatabaseEvidence {
                before: before.values.clone(),
                after: after.values.clone(),
                own: BTreeMap::from([(counters::QUESTIONS.to_owned(), own)]),
                rows: None,
            });
        }
        (Err(why), _) | (_, Err(why)) => {
            evidence.missing.push(Missing {
                source: source::DATABASE.to_owned(),
                why: why.clone(),
            });
        }
    }
}
