//! One connection as one proxy logged it, whatever the encoding.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;

use super::address::Address;
use super::json::Object;
use super::logged::Logged;
use super::parse::Record;
use super::reason::normalise;

/// What one proxy logged of one connection. Each field is named after its Envoy operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HopLine {
    /// The line as logged.
    pub raw: String,
    /// When the proxy accepted the connection. Istio logs milliseconds. Left out, as
    /// [`Logged::NotInFormat`], where the format prints the time in a way of its own.
    pub start: Logged<Timestamp>,
    /// `UF,URX`, one item each; empty for `-`.
    pub flags: Vec<String>,
    /// `RESPONSE_CODE_DETAILS`, with underscores for spaces.
    pub code_details: Logged<String>,
    /// `CONNECTION_TERMINATION_DETAILS`, with underscores for spaces.
    pub termination_details: Logged<String>,
    /// Why the connection to the next hop failed, with underscores for spaces.
    pub upstream_failure: Logged<String>,
    /// Why the connection from the hop before failed, with underscores for spaces.
    pub downstream_failure: Logged<String>,
    /// Bytes from the hop before, after TLS was taken off.
    pub bytes_received: Logged<u64>,
    /// Bytes to the hop before.
    pub bytes_sent: Logged<u64>,
    /// From accept to close; Istio logs milliseconds.
    pub duration: Logged<Duration>,
    /// The next hop's address as dialled.
    pub upstream_host: Logged<Address>,
    /// `UPSTREAM_CLUSTER_RAW` or `UPSTREAM_CLUSTER`.
    pub upstream_cluster: Logged<String>,
    /// This proxy's end of the connection to the next hop.
    pub upstream_local: Logged<Address>,
    /// What the hop before had dialled (before any redirection).
    pub downstream_local: Logged<Address>,
    /// The other end of the connection from the hop before.
    pub downstream_remote: Logged<Address>,
    /// The server name in the `ClientHello` of the hop before.
    pub sni: Logged<String>,
    /// `ROUTE_NAME`.
    pub route_name: Logged<String>,
    /// TLS version of the connection from the hop before.
    pub tls_version: Logged<String>,
    /// Subject of the certificate of the hop before.
    pub peer_subject: Logged<String>,
    /// URI names of the certificate of the hop before.
    pub peer_uri_san: Logged<String>,
    /// TLS version of the connection to the next hop.
    pub upstream_tls_version: Logged<String>,
}

/// A value that its operator cannot have.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("access log line: %{operator}% is `{value}`, expected {expected}, in `{line}`")]
pub struct FieldError {
    /// The operator.
    pub operator: &'static str,
    /// What was logged for it.
    pub value: String,
    /// What it must be.
    pub expected: &'static str,
    /// The line.
    pub line: String,
}

/// Where values come from.
enum Source<'a> {
    Record(&'a Record<'a>),
    Object(&'a Object, &'a str),
}

impl HopLine {
    /// From a line of a TEXT format.
    pub fn from_record(record: &Record<'_>) -> Result<Self, FieldError> {
        Source::Record(record).line()
    }

    pub(super) fn from_object(object: &Object, raw: &str) -> Result<Self, FieldError> {
        Source::Object(object, raw).line()
    }

    /// Whether the line carries this response flag.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|found| found == flag)
    }

    /// When the connection closed.
    pub fn end(&self) -> Option<Timestamp> {
        let start = self.start.value()?;
        start.checked_add(*self.duration.value()?).ok()
    }
}

impl Source<'_> {
    fn line(&self) -> Result<HopLine, FieldError> {
        let reason = |operator| self.text(operator).map(|text| normalise(&text));
        Ok(HopLine {
            raw: self.raw().to_owned(),
            start: self.start()?,
            flags: self
                .text("RESPONSE_FLAGS")
                .value()
                .map(|flags| split(flags))
                .unwrap_or_default(),
            code_details: reason("RESPONSE_CODE_DETAILS"),
            termination_details: reason("CONNECTION_TERMINATION_DETAILS"),
            upstream_failure: reason("UPSTREAM_TRANSPORT_FAILURE_REASON"),
            downstream_failure: reason("DOWNSTREAM_TRANSPORT_FAILURE_REASON"),
            bytes_received: self.read("BYTES_RECEIVED", "a number of bytes")?,
            bytes_sent: self.read("BYTES_SENT", "a number of bytes")?,
            duration: self
                .read("DURATION", "a number of milliseconds")?
                .map(Duration::from_millis),
            upstream_host: self.read("UPSTREAM_HOST", "an address")?,
            upstream_cluster: self
                .text("UPSTREAM_CLUSTER_RAW")
                .or(self.text("UPSTREAM_CLUSTER")),
            upstream_local: self.read("UPSTREAM_LOCAL_ADDRESS", "an address")?,
            downstream_local: self.read("DOWNSTREAM_LOCAL_ADDRESS", "an address")?,
            downstream_remote: self.read("DOWNSTREAM_REMOTE_ADDRESS", "an address")?,
            sni: self.text("REQUESTED_SERVER_NAME"),
            route_name: self.text("ROUTE_NAME"),
            tls_version: self.text("DOWNSTREAM_TLS_VERSION"),
            peer_subject: self.text("DOWNSTREAM_PEER_SUBJECT"),
            peer_uri_san: self.text("DOWNSTREAM_PEER_URI_SAN"),
            upstream_tls_version: self.text("UPSTREAM_TLS_VERSION"),
        })
    }

    fn raw(&self) -> &str {
        match self {
            Self::Record(record) => record.line(),
            Self::Object(_, raw) => raw,
        }
    }

    fn text(&self, operator: &str) -> Logged<String> {
        match self {
            Self::Record(record) => record.logged(operator).map(str::to_owned),
            Self::Object(object, _) => object.logged(operator),
        }
    }

    fn read<T: FromStr>(
        &self,
        operator: &'static str,
        expected: &'static str,
    ) -> Result<Logged<T>, FieldError> {
        self.text(operator).try_map(|text| {
            text.parse()
                .map_err(|_| self.error(operator, text, expected))
        })
    }

    /// Only the default form of the time is read; `%START_TIME(%s)%` has another key.
    fn start(&self) -> Result<Logged<Timestamp>, FieldError> {
        self.read("START_TIME", "a time such as 2026-11-23T08:05:48.106Z")
    }

    fn error(&self, operator: &'static str, value: String, expected: &'static str) -> FieldError {
        FieldError {
            operator,
            value,
            expected,
            line: self.raw().to_owned(),
        }
    }
}

fn split(flags: &str) -> Vec<String> {
    flags.split(',').map(str::to_owned).collect()
}
