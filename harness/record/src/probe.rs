//! What the prober reports of one connection that it opened: each phase, with its time.
//!
//! Times are milliseconds. There is no key in it, and no certificate beyond what the server shows to
//! everybody.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Cause;

/// One connection, from its name to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeReport {
    /// The host as asked for.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How the prober opened.
    pub opening: ProbeOpening,
    /// The name.
    pub dns: ProbeDns,
    /// One entry for each address that was tried, in order. Only the last can be connected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tcp: Vec<ProbeTcp>,
    /// TLS, where the prober spoke it over a connection that stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProbeTls>,
    /// What came first, where anything came: what was inside TLS, or in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_bytes: Option<ProbeBytes>,
    /// How it ended.
    pub end: ProbeEnd,
    /// How long the prober was ready to wait for first bytes.
    pub hold_ms: u64,
    /// From the first question to the end.
    pub ms: f64,
}

/// How the prober opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeOpening {
    /// It waits for the server, as a MySQL client does.
    Silent,
    /// It sends plain text at once.
    Speak,
    /// It sends a `ClientHello`, or what it was told to send in place of one.
    Tls,
}

/// The name's resolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeDns {
    /// How long it took.
    pub ms: f64,
    /// What it resolved to, each once, in the resolver's order.
    pub addresses: Vec<String>,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One TCP connection that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeTcp {
    /// How long it took.
    pub ms: f64,
    /// The address with its port.
    pub address: String,
    /// What became of it.
    pub end: ProbeTcpEnd,
    /// The system's words where it did not stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What became of a TCP connection that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeTcpEnd {
    /// It stood.
    Connected,
    /// A reset in answer to the SYN: nothing listens.
    Refused,
    /// It was reset while it came to be.
    Reset,
    /// No answer.
    TimedOut,
    /// The network said that there is no way.
    Unreachable,
    /// Anything else.
    Failed,
}

/// What TLS came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeTls {
    /// From the first byte sent until the handshake finished on this side, or ended otherwise.
    pub ms: f64,
    /// What was offered: `1.2 to 1.3`, `1.1`, or the kind of a malformed hello.
    pub offered: String,
    /// Whether the handshake finished on this side. In TLS 1.3 the server may still reject it.
    pub finished: bool,
    /// The version that the server chose: `1.0` to `1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The cipher suite that the server chose, by its registered name or its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher: Option<String>,
    /// The application protocol that the server chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
    /// The alert that the server sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_received: Option<ProbeAlert>,
    /// The alert that the prober sent, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_sent: Option<ProbeAlert>,
    /// Whether the server asked for a client certificate; absent where the handshake did not get as
    /// far as its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_for_certificate: Option<bool>,
    /// Whether the prober sent one.
    pub certificate_sent: bool,
    /// Subjects of the authorities that the server named when it asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_authorities: Vec<String>,
    /// The server's chain, as sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<ProbeCertificate>,
    /// Why the prober did not accept that chain, where it was told whom to trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Cause>,
    /// Whether what came is no TLS at all; [`ProbeReport::first_bytes`] then has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answered_in_plaintext: bool,
    /// What went wrong, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A TLS alert (RFC 8446, 6).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeAlert {
    /// Its level.
    pub level: ProbeLevel,
    /// Its description's number.
    pub number: u8,
    /// Its description's name, with `-` between words.
    pub name: String,
    /// When, counted from the first byte sent.
    pub ms: f64,
    /// Whether the handshake had finished on the prober's side: TLS 1.3 rejects clients so.
    pub after_finish: bool,
}

/// Level of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeLevel {
    /// 1.
    Warning,
    /// 2.
    Fatal,
}

/// One certificate of a server's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeCertificate {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Subject alternative names, as `DNS:name`, `URI:id`, `IP:address`.
    pub names: Vec<String>,
    /// RFC 3339, UTC.
    pub not_before: String,
    /// RFC 3339, UTC.
    pub not_after: String,
    /// SHA-256 of the DER, in hexadecimal.
    pub sha256: String,
}

/// The first bytes that came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeBytes {
    /// When the first came, counted from when the connection was open for them: TCP, or the handshake.
    pub ms: f64,
    /// How many came in all.
    pub count: u64,
    /// The first 64, in hexadecimal.
    pub hex: String,
    /// What they are.
    pub what: ProbeFirst,
    /// Whether they came inside TLS.
    pub protected: bool,
}

/// What the first bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeFirst {
    /// A MySQL server's greeting: the way to the database is open.
    MysqlGreeting,
    /// A MySQL server's error in place of a greeting.
    MysqlError,
    /// A TLS record, in answer to plaintext.
    TlsRecord,
    /// Anything else.
    Other,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeEnd {
    /// It never stood.
    NotConnected,
    /// The other side closed it.
    ClosedByPeer,
    /// The other side, or somebody for it, reset it.
    ResetByPeer,
    /// It stood until the prober's time was over.
    Held,
    /// The prober closed it: it had what it wanted, or did not accept the server.
    ClosedByProber,
}

/// Why there is no report.
#[derive(Debug, Error)]
pub enum ProbeReportError {
    /// It ended without one.
    #[error("the prober ended with {exit} and no report: {stderr}")]
    None {
        /// How it ended.
        exit: String,
        /// The last line of its standard error.
        stderr: String,
    },
    /// Something else was printed.
    #[error("reading the prober's report from its standard output: {0}")]
    Json(#[from] serde_json::Error),
}

impl ProbeReport {
    /// From what the prober printed.
    ///
    /// # Errors
    /// It is not the JSON of a report.
    pub fn read(stdout: &str) -> Result<Self, ProbeReportError> {
        Ok(serde_json::from_str(stdout)?)
    }

    /// From the prober's end: exit code (`None`: stopped by somebody), standard output and error.
    ///
    /// # Errors
    /// It printed no report. It does whenever its request was one.
    pub fn of_output(
        exit: Option<i32>,
        stdout: &str,
        stderr: &str,
    ) -> Result<Self, ProbeReportError> {
        if exit == Some(0) && !stdout.trim().is_empty() {
            return Self::read(stdout);
        }
        let exit = exit.map_or("no exit code".to_owned(), |code| {
            format!("exit code {code}")
        });
        let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
        let stderr = last.unwrap_or("it said nothing").trim().to_owned();
        Err(ProbeReportError::None { exit, stderr })
    }

    /// Whether a MySQL greeting came, in plaintext or inside TLS.
    pub fn greeted(&self) -> bool {
        let first = self.first_bytes.as_ref();
        first.is_some_and(|bytes| bytes.what == ProbeFirst::MysqlGreeting)
    }

    /// Whether TCP stood.
    pub fn connected(&self) -> bool {
        let last = self.tcp.last();
        last.is_some_and(|tcp| tcp.end == ProbeTcpEnd::Connected)
    }

    /// Whether every address that was tried ended as `is` says, and at least one was.
    pub fn every_address(&self, is: impl Fn(ProbeTcpEnd) -> bool) -> bool {
        !self.tcp.is_empty() && self.tcp.iter().all(|tcp| is(tcp.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ProbeReport {
        ProbeReport {
            host: "h".to_owned(),
            port: 1,
            opening: ProbeOpening::Silent,
            dns: ProbeDns {
                ms: 0.5,
                addresses: vec!["192.0.2.1".to_owned()],
                error: None,
            },
            tcp: Vec::new(),
            tls: None,
            first_bytes: None,
            end: ProbeEnd::NotConnected,
            hold_ms: 100,
            ms: 1.0,
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let text = serde_json::to_string(&report()).expect("json");
        assert_eq!(ProbeReport::read(&text).expect("report"), report());
        let found = ProbeReport::of_output(Some(0), &text, "").expect("report");
        assert_eq!(found, report());
    }

    #[test]
    fn a_prober_that_died_has_no_report() {
        let text = serde_json::to_string(&report()).expect("json");
        for (exit, stdout, words) in [
            (
                Some(2),
                "",
                "the prober ended with exit code 2 and no report: bad request",
            ),
            (
                Some(137),
                text.as_str(),
                "the prober ended with exit code 137 and no report: bad request",
            ),
            (
                None,
                "",
                "the prober ended with no exit code and no report: bad request",
            ),
            (
                Some(0),
                "",
                "the prober ended with exit code 0 and no report: bad request",
            ),
        ] {
            let error =
                ProbeReport::of_output(exit, stdout, "x\nbad request\n\n").expect_err("none");
            assert_eq!(error.to_string(), words);
        }
        let cut = &text[..text.len() - 2];
        assert!(ProbeReport::of_output(Some(0), cut, "").is_err());
    }

    #[test]
    fn no_address_tried_is_no_answer_of_any() {
        let mut report = report();
        let refused = |end| end == ProbeTcpEnd::Refused;
        assert!(!report.every_address(refused));
        let tried = |end| ProbeTcp {
            ms: 1.0,
            address: "192.0.2.1:1".to_owned(),
            end,
            error: None,
        };
        report.tcp = vec![tried(ProbeTcpEnd::Refused)];
        assert!(report.every_address(refused) && !report.connected());
        report.tcp.push(tried(ProbeTcpEnd::Connected));
        assert!(!report.every_address(refused) && report.connected());
    }
}
