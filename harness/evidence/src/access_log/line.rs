//! One connection as one proxy logged it, whatever the encoding.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;

use super::address::Address;
use super::flags;
use super::json::JsonRecord;
use super::logged::Logged;
use super::operator::Operator;
use super::parse::Record;
use super::reason::normalise;

/// What one proxy logged of one connection. Each field is named after its Envoy operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HopLine {
    /// The line as logged.
    pub raw: String,
    /// Lines that the proxy printed about itself and that say more of this connection, as printed.
    pub beside: Vec<String>,
    /// When the proxy accepted the connection. Istio logs milliseconds. Left out, as
    /// [`Logged::NotInFormat`], where the format prints it more coarsely, or without its date.
    pub start: Logged<Timestamp>,
    /// `UF,URX`, one item each; empty for `-`. Long names are given as short ones.
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
    /// The next hop's address as dialled: `UPSTREAM_HOST` or `UPSTREAM_REMOTE_ADDRESS`.
    pub upstream_host: Logged<Address>,
    /// `UPSTREAM_CLUSTER_RAW` or `UPSTREAM_CLUSTER`.
    pub upstream_cluster: Logged<String>,
    /// This proxy's end of the connection to the next hop.
    pub upstream_local: Logged<Address>,
    /// What the hop before had dialled (before any redirection).
    pub downstream_local: Logged<Address>,
    /// The other end of the connection from the hop before: `DOWNSTREAM_REMOTE_ADDRESS` or
    /// `DOWNSTREAM_DIRECT_REMOTE_ADDRESS`.
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
    /// SHA-256 of the certificate of the hop before, in hexadecimal.
    pub peer_fingerprint: Logged<String>,
    /// TLS version of the connection to the next hop.
    pub upstream_tls_version: Logged<String>,
}

/// A value that its operator cannot have.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("access log line: %{operator}% is `{value}`, expected {expected}, in `{line}`")]
pub struct FieldError {
    /// The operator.
    pub operator: String,
    /// What was logged for it.
    pub value: String,
    /// What it must be.
    pub expected: &'static str,
    /// The line.
    pub line: String,
}

/// Where values come from.
enum Source<'a> {
    Text(&'a Record<'a>),
    Json(&'a JsonRecord<'a>),
}

impl HopLine {
    /// From a line of a TEXT format.
    pub fn from_record(record: &Record<'_>) -> Result<Self, FieldError> {
        Source::Text(record).line()
    }

    /// From a line of a JSON format.
    pub fn from_json(record: &JsonRecord<'_>) -> Result<Self, FieldError> {
        Source::Json(record).line()
    }

    /// Whether the line carries this response flag.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|found| found == flag)
    }

    /// How many bytes came in clear and went on to somebody, where the line tells.
    pub fn passed_on_in_clear(&self) -> Option<u64> {
        let plaintext = self.tls_version.is_absent() && self.sni.is_absent();
        self.passed_on().filter(|_| plaintext)
    }

    /// How many bytes came out of TLS that ended here and went on to somebody, where the line tells: the
    /// connection was accepted, certificate and all, for none are read before.
    pub fn passed_on_out_of_tls(&self) -> Option<u64> {
        let accepted = self.tls_version.value().is_some();
        self.passed_on().filter(|_| accepted)
    }

    /// How many bytes came and went on to somebody.
    fn passed_on(&self) -> Option<u64> {
        self.upstream_local.value()?;
        let bytes = self.bytes_received.value().copied();
        bytes.filter(|bytes| *bytes > 0)
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
            beside: Vec::new(),
            start: self.start()?,
            flags: self.flags(),
            code_details: reason("RESPONSE_CODE_DETAILS"),
            termination_details: reason("CONNECTION_TERMINATION_DETAILS"),
            upstream_failure: reason("UPSTREAM_TRANSPORT_FAILURE_REASON"),
            downstream_failure: reason("DOWNSTREAM_TRANSPORT_FAILURE_REASON"),
            bytes_received: self.read("BYTES_RECEIVED", "a number of bytes")?,
            bytes_sent: self.read("BYTES_SENT", "a number of bytes")?,
            duration: self
                .read("DURATION", "a number of milliseconds")?
                .map(Duration::from_millis),
            upstream_host: self
                .read("UPSTREAM_HOST", "an address")?
                .or(self.read("UPSTREAM_REMOTE_ADDRESS", "an address")?),
            upstream_cluster: self
                .text("UPSTREAM_CLUSTER_RAW")
                .or(self.text("UPSTREAM_CLUSTER")),
            upstream_local: self.read("UPSTREAM_LOCAL_ADDRESS", "an address")?,
            downstream_local: self.read("DOWNSTREAM_LOCAL_ADDRESS", "an address")?,
            downstream_remote: self
                .read("DOWNSTREAM_REMOTE_ADDRESS", "an address")?
                .or(self.read("DOWNSTREAM_DIRECT_REMOTE_ADDRESS", "an address")?),
            sni: self.text("REQUESTED_SERVER_NAME"),
            route_name: self.text("ROUTE_NAME"),
            tls_version: self.text("DOWNSTREAM_TLS_VERSION"),
            peer_subject: self.text("DOWNSTREAM_PEER_SUBJECT"),
            peer_uri_san: self.text("DOWNSTREAM_PEER_URI_SAN"),
            peer_fingerprint: self.text("DOWNSTREAM_PEER_FINGERPRINT_256"),
            upstream_tls_version: self.text("UPSTREAM_TLS_VERSION"),
        })
    }

    fn raw(&self) -> &str {
        match self {
            Self::Text(record) => record.line(),
            Self::Json(record) => record.line(),
        }
    }

    fn logged(&self, operator: &str) -> Logged<&str> {
        match self {
            Self::Text(record) => record.logged(operator),
            Self::Json(record) => record.logged(operator),
        }
    }

    fn text(&self, operator: &str) -> Logged<String> {
        self.logged(operator).map(str::to_owned)
    }

    fn flags(&self) -> Vec<String> {
        let short = self.logged("RESPONSE_FLAGS");
        let long = self.logged("RESPONSE_FLAGS_LONG");
        let flags = short.or(long);
        let each = flags.value().into_iter().flat_map(|flags| flags.split(','));
        each.map(|flag| flags::short(flag).to_owned()).collect()
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

    /// The first operator that prints the start to the millisecond.
    fn start(&self) -> Result<Logged<Timestamp>, FieldError> {
        let Some((operator, value)) = self.timed() else {
            return Ok(Logged::NotInFormat);
        };
        value.try_map(|text| {
            let read = operator.time.as_ref().and_then(|format| format.read(text));
            read.ok_or_else(|| FieldError {
                operator: operator.key().to_owned(),
                value: text.to_owned(),
                expected: "a time in that form, such as 2026-11-23T08:05:48.106Z in Envoy's own",
                line: self.raw().to_owned(),
            })
        })
    }

    fn timed(&self) -> Option<(&Operator, Logged<&str>)> {
        match self {
            Self::Text(record) => record
                .iter()
                .find(|(operator, _)| operator.time.is_some())
                .map(|(operator, _)| (operator, record.logged(operator.key()))),
            Self::Json(record) => record.iter().find(|(operator, _)| operator.time.is_some()),
        }
    }

    fn error(&self, operator: &str, value: String, expected: &'static str) -> FieldError {
        FieldError {
            operator: operator.to_owned(),
            value,
            expected,
            line: self.raw().to_owned(),
        }
    }
}
