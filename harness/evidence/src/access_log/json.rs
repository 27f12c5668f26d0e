//! Istio's JSON encoding.

use serde_json::{Map, Value};
use thiserror::Error;

use super::logged::Logged;

/// Istio's default keys with the operator that each stands for (Istio,
/// `pilot/pkg/model/telemetry_logging.go`).
pub const JSON_KEYS: [(&str, &str); 24] = [
    ("authority", "REQ(:AUTHORITY)"),
    ("bytes_received", "BYTES_RECEIVED"),
    ("bytes_sent", "BYTES_SENT"),
    (
        "connection_termination_details",
        "CONNECTION_TERMINATION_DETAILS",
    ),
    ("downstream_local_address", "DOWNSTREAM_LOCAL_ADDRESS"),
    ("downstream_remote_address", "DOWNSTREAM_REMOTE_ADDRESS"),
    ("duration", "DURATION"),
    ("method", "REQ(:METHOD)"),
    ("path", "REQ(X-ENVOY-ORIGINAL-PATH?:PATH)"),
    ("protocol", "PROTOCOL"),
    ("request_id", "REQ(X-REQUEST-ID)"),
    ("requested_server_name", "REQUESTED_SERVER_NAME"),
    ("response_code", "RESPONSE_CODE"),
    ("response_code_details", "RESPONSE_CODE_DETAILS"),
    ("response_flags", "RESPONSE_FLAGS"),
    ("route_name", "ROUTE_NAME"),
    ("start_time", "START_TIME"),
    ("upstream_cluster", "UPSTREAM_CLUSTER_RAW"),
    ("upstream_host", "UPSTREAM_HOST"),
    ("upstream_local_address", "UPSTREAM_LOCAL_ADDRESS"),
    (
        "upstream_service_time",
        "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)",
    ),
    (
        "upstream_transport_failure_reason",
        "UPSTREAM_TRANSPORT_FAILURE_REASON",
    ),
    ("user_agent", "REQ(USER-AGENT)"),
    ("x_forwarded_for", "REQ(X-FORWARDED-FOR)"),
];

/// Keys that tell an access-log record from other JSON that a proxy writes.
const TELLING: [&str; 3] = ["start_time", "response_flags", "downstream_remote_address"];

/// Why a line is not a record in JSON.
#[derive(Debug, Error)]
pub enum JsonError {
    /// Not a JSON object.
    #[error("access log line: expected a JSON object, found `{line}`: {source}")]
    Syntax {
        /// The line.
        line: String,
        /// What the JSON parser says.
        source: serde_json::Error,
    },
    /// A value that is neither text, number, truth value nor null.
    #[error(
        "access log line: key `{key}` holds {found}, expected text, a number or null, in `{line}`"
    )]
    Nested {
        /// The key.
        key: String,
        /// The value as JSON.
        found: String,
        /// The line.
        line: String,
    },
}

/// One line's keys and values.
#[derive(Clone, Debug)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    pub(super) fn parse(line: &str) -> Result<Self, JsonError> {
        let syntax = |source| JsonError::Syntax {
            line: line.to_owned(),
            source,
        };
        let map: Map<String, Value> = serde_json::from_str(line).map_err(syntax)?;
        match map
            .iter()
            .find(|(_, value)| value.is_array() || value.is_object())
        {
            Some((key, value)) => Err(JsonError::Nested {
                key: key.clone(),
                found: value.to_string(),
                line: line.to_owned(),
            }),
            None => Ok(Self(map)),
        }
    }

    /// The value of an operator: under Istio's key for it, or under its own name in lower case,
    /// as formats that people extend call theirs.
    pub(super) fn logged(&self, operator: &str) -> Logged<String> {
        let istio = JSON_KEYS
            .iter()
            .find(|(_, of)| *of == operator)
            .map(|(key, _)| *key);
        let value = istio
            .and_then(|key| self.0.get(key))
            .or_else(|| self.0.get(&operator.to_ascii_lowercase()));
        match value {
            None => Logged::NotInFormat,
            Some(Value::Null) => Logged::Absent,
            Some(Value::String(text)) if text == "-" => Logged::Absent,
            Some(Value::String(text)) => Logged::Value(text.clone()),
            Some(other) => Logged::Value(other.to_string()),
        }
    }
}

pub(super) fn is_record(line: &str) -> bool {
    line.starts_with('{')
        && Object::parse(line)
            .is_ok_and(|object| TELLING.iter().all(|key| object.0.contains_key(*key)))
}
