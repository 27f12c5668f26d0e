//! Reads a record, and makes of it what the attribution asks for.

use std::collections::BTreeMap;

use meshproof_evidence::access_log::{DetectError, LogError};
use meshproof_evidence::{Expected, HopLine, HopLogs, Opening, PATH, TlsEnd, read_log};
use meshproof_record::{Hop, ProbeReport, ProbeReportError, WireEvidence};
use meshproof_sql::{FirstPacket, client_end};
use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

use super::Shape;
use crate::attribution::{Client, Signs};
use crate::words;

/// Why a line is no record.
#[derive(Debug, Error)]
pub enum RecordError {
    /// Not its JSON.
    #[error("not a record of a session: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON of something else.
    #[error("not a record of a session: expected a JSON object, found `{0}`")]
    NoObject(String),
    /// How its client opens.
    #[error(
        "not a record of a session: `speaks` is `{0}`, expected mysql, plaintext or tls at its beginning"
    )]
    Speaks(String),
    /// What its client printed looks like a report of the prober.
    #[error("not a record of a session")]
    Probe(#[from] ProbeReportError),
    /// Counters below what reading them costs.
    #[error(
        "not a record of a session: `mysqld` has {counter} {found}, but the probe that reads it makes {probe}"
    )]
    Counter {
        /// Which.
        counter: &'static str,
        /// Its growth.
        found: u64,
        /// The probe's own share.
        probe: u64,
    },
    /// A log whose format is not known.
    #[error("reading the log of {hop}")]
    Format {
        /// Whose log.
        hop: String,
        /// What is wrong.
        source: Box<DetectError>,
    },
    /// A line of a log.
    #[error("reading the log of {hop}")]
    Line {
        /// Whose log.
        hop: String,
        /// What is wrong.
        source: Box<LogError>,
    },
}

/// A record. Evidence may be missing; what is there must be understood.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    source: String,
    target: String,
    speaks: String,
    client: Option<Program>,
    #[serde(default)]
    logs: BTreeMap<Proxy, Option<Vec<String>>>,
    mysqld: Option<Counters>,
    wire: Option<WireEvidence>,
    #[serde(rename = "id", default)]
    _id: IgnoredAny,
    #[serde(rename = "what", default)]
    _what: IgnoredAny,
    #[serde(rename = "truth", default)]
    _truth: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    exit: Option<i32>,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stderr: String,
    #[serde(rename = "seconds", default)]
    _seconds: Option<f64>,
}

#[derive(Deserialize)]
struct Counters {
    #[serde(rename = "Connections")]
    connections: Option<u64>,
    #[serde(rename = "Questions")]
    questions: Option<u64>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
enum Proxy {
    Client,
    Egress,
    Ingress,
    Server,
}

/// What the probe that reads the counters adds to them.
const PROBE_CONNECTIONS: u64 = 1;
const PROBE_QUESTIONS: u64 = 2;

impl Record {
    pub(super) fn read(text: &str) -> Result<Self, RecordError> {
        // Serde would take a list for a record without keys.
        if !text.trim_start().starts_with('{') {
            let start: String = text.trim().chars().take(40).collect();
            return Err(RecordError::NoObject(start));
        }
        Ok(serde_json::from_str(text)?)
    }
}

/// What a record says, taken apart.
pub(super) struct Known {
    client: Option<Client>,
    opening: Opening,
    sidecar: Option<bool>,
    peer: Option<Hop>,
    logs: HopLogs,
    lost: Vec<Hop>,
    wire: Option<WireEvidence>,
    statements: Option<u64>,
}

impl Known {
    pub(super) fn of(record: Record, shape: Shape) -> Result<Self, RecordError> {
        let opening = opening(&record.speaks)?;
        let (logs, lost) = logs(&record.logs, shape)?;
        let statements = record.mysqld.as_ref().map(statements).transpose()?;
        Ok(Self {
            client: record
                .client
                .map(|program| client(&program, opening))
                .transpose()?,
            opening,
            sidecar: sidecar(&record.source),
            peer: peer(&record.source, &record.target),
            logs,
            lost,
            wire: record.wire,
            statements: statements.flatten(),
        })
    }

    pub(super) fn signs(&self) -> Signs<'_> {
        let missing = || "there is no evidence of client".to_owned();
        Signs {
            client: self.client.clone().ok_or_else(missing),
            opening: self.opening,
            sidecar: self.sidecar,
            peer: self.peer,
            logs: &self.logs,
            alone: true,
            unreadable: &[],
            lost: self.lost.clone(),
            dropped: None,
            wire: self.wire.as_ref(),
            statements: self.statements,
        }
    }
}

fn opening(speaks: &str) -> Result<Opening, RecordError> {
    let is = |word| speaks.starts_with(word);
    if is("mysql") {
        Ok(Opening::ServerFirst)
    } else if is("plaintext") {
        Ok(Opening::Plaintext)
    } else if is("tls") {
        Ok(Opening::Tls)
    } else {
        Err(RecordError::Speaks(speaks.to_owned()))
    }
}

/// How a report of the prober begins, whose standard output it is.
const REPORT: &str = "{\"host\":";

fn client(program: &Program, opening: Opening) -> Result<Client, ProbeReportError> {
    if program.stdout.starts_with(REPORT) {
        return ProbeReport::read(&program.stdout).map(|report| Client::Probe(Box::new(report)));
    }
    Ok(match opening {
        Opening::ServerFirst => Client::MySql {
            end: client_end(program.exit, &program.stderr),
            printed: !program.stdout.trim().is_empty(),
        },
        Opening::Plaintext | Opening::Tls => Client::Raw {
            first: FirstPacket::read(&program.stdout),
            tls: (opening == Opening::Tls).then(|| TlsEnd::read(&program.stderr)),
        },
    })
}

fn statements(counters: &Counters) -> Result<Option<u64>, RecordError> {
    own("Connections", counters.connections, PROBE_CONNECTIONS)?;
    own("Questions", counters.questions, PROBE_QUESTIONS)
}

fn own(counter: &'static str, grown: Option<u64>, probe: u64) -> Result<Option<u64>, RecordError> {
    let Some(found) = grown else {
        return Ok(None);
    };
    let beside = found.checked_sub(probe).ok_or(RecordError::Counter {
        counter,
        found,
        probe,
    });
    beside.map(Some)
}

fn sidecar(source: &str) -> Option<bool> {
    if source.contains("without sidecar") {
        Some(false)
    } else {
        source.contains("with sidecar").then_some(true)
    }
}

/// Who answers at the target, for a client without a sidecar. A bare address inside a cluster may be
/// any pod's.
fn peer(source: &str, target: &str) -> Option<Hop> {
    let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
    let inside = host.split('.').nth(2) == Some("svc");
    let in_client_cluster = source.contains("client cluster");
    let in_server_cluster = source.contains("server cluster");
    if !inside {
        let is_name = host.parse::<std::net::IpAddr>().is_err();
        return (in_client_cluster && is_name).then_some(Hop::Ingress);
    }
    let service = host.split('.').next().unwrap_or_default();
    match service {
        _ if service.contains("egressgateway") => Some(Hop::Egress),
        _ if service.contains("ingressgateway") => Some(Hop::Ingress),
        _ => in_server_cluster.then_some(Hop::ServerSidecar),
    }
}

fn logs(
    recorded: &BTreeMap<Proxy, Option<Vec<String>>>,
    shape: Shape,
) -> Result<(HopLogs, Vec<Hop>), RecordError> {
    let mut logs = HopLogs::new();
    for (proxy, lines) in recorded {
        if let Some(lines) = lines {
            let hop = proxy.hop();
            logs.insert(hop, read(hop, lines, shape)?);
        }
    }
    let lost = PATH.into_iter().filter(|hop| !logs.contains_key(hop));
    let lost = lost.collect();
    Ok((logs, lost))
}

fn read(hop: Hop, lines: &[String], shape: Shape) -> Result<Vec<HopLine>, RecordError> {
    let lines: Vec<&str> = lines.iter().map(|line| cut(line, shape)).collect();
    let hop = words::hop(hop);
    let detected = match Expected::any_of_istio().settle(&lines) {
        Ok(detected) => detected,
        Err(DetectError::NoRecord { .. }) => return Ok(Vec::new()),
        Err(source) => {
            let source = Box::new(source);
            return Err(RecordError::Format { hop, source });
        }
    };
    match read_log(&detected.format.reader, &lines) {
        Ok(read) => Ok(read.lines),
        Err(source) => {
            let source = Box::new(source);
            Err(RecordError::Line { hop, source })
        }
    }
}

/// A line without what the longer format of the records adds. JSON is never longer.
fn cut(line: &str, shape: Shape) -> &str {
    match shape {
        Shape::Default if !line.starts_with('{') => {
            line.split_once(" | ").map_or(line, |(head, _)| head)
        }
        _ => line,
    }
}

impl Proxy {
    fn hop(self) -> Hop {
        match self {
            Self::Client => Hop::ClientSidecar,
            Self::Egress => Hop::Egress,
            Self::Ingress => Hop::Ingress,
            Self::Server => Hop::ServerSidecar,
        }
    }
}
