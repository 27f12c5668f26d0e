//! The formats of Istio's releases (`pilot/pkg/model/telemetry_logging.go`; before 1.15
//! `pilot/pkg/networking/core/v1alpha3/accesslog.go`, before 1.8 `listener.go` beside it).

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::format::Format;
use super::json::JsonFormat;
use super::reader::Reader;

/// What the longer format of the recorded failures adds to the default one: how the receiving hop
/// saw the sender, and what the default format hides of a TLS 1.3 rejection.
pub const FAILURES_SUFFIX: &str = " | \"%DOWNSTREAM_TRANSPORT_FAILURE_REASON%\" %DOWNSTREAM_TLS_VERSION% \"%DOWNSTREAM_PEER_SUBJECT%\" \"%DOWNSTREAM_PEER_URI_SAN%\" %UPSTREAM_TLS_VERSION% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS%";

const HEAD: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS%";
const MIDDLE: &str = "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"";
const TAIL: &str = "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%";
const DETAILS: &str = "%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS%";
const MIXER: &str = "%DYNAMIC_METADATA(istio.mixer:status)%";
const REASON: &str = "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\"";

/// Keys that the JSON format has had since 1.3, beside the cluster's.
const JSON_KEYS: [(&str, &str); 21] = [
    ("authority", "%REQ(:AUTHORITY)%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("duration", "%DURATION%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("route_name", "%ROUTE_NAME%"),
    ("start_time", "%START_TIME%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    (
        "upstream_service_time",
        "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    ),
    (
        "upstream_transport_failure_reason",
        "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    ),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
];

/// A format that is known without being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuiltIn {
    /// TEXT of Istio 1.23 and later (`UPSTREAM_CLUSTER_RAW`).
    Text,
    /// TEXT of Istio 1.9 to 1.22 (`UPSTREAM_CLUSTER`). Its lines look like those of [`BuiltIn::Text`].
    Text1x9,
    /// TEXT of Istio 1.8: neither details nor the Mixer status.
    Text1x8,
    /// TEXT of Istio 1.3 to 1.7: the Mixer status before the failure reason. The tutorial's format.
    Text1x3,
    /// [`BuiltIn::Text`] followed by [`FAILURES_SUFFIX`].
    Failures,
    /// JSON of Istio 1.23.4, 1.24.2 and later (`UPSTREAM_CLUSTER_RAW`).
    Json,
    /// JSON of Istio 1.9 to 1.24.1. Its lines look like those of [`BuiltIn::Json`].
    Json1x9,
    /// JSON of Istio 1.8: no details.
    Json1x8,
    /// JSON of Istio 1.3 to 1.7: the Mixer status, and every value as text.
    Json1x3,
}

impl BuiltIn {
    /// All, in the order in which they are tried on a line: a line of 1.3 is one of 1.8 as well, with
    /// quotes in its failure reason.
    pub const ALL: [Self; 9] = [
        Self::Json,
        Self::Json1x9,
        Self::Json1x8,
        Self::Json1x3,
        Self::Failures,
        Self::Text,
        Self::Text1x9,
        Self::Text1x3,
        Self::Text1x8,
    ];

    /// Whether it is JSON.
    pub fn is_json(self) -> bool {
        matches!(
            self,
            Self::Json | Self::Json1x9 | Self::Json1x8 | Self::Json1x3
        )
    }

    /// Istio's releases that log like this, in words.
    pub fn releases(self) -> &'static str {
        match self {
            Self::Text => "Istio 1.23 and later, TEXT",
            Self::Text1x9 => "Istio 1.9 to 1.22, TEXT",
            Self::Text1x8 => "Istio 1.8, TEXT",
            Self::Text1x3 => "Istio 1.3 to 1.7, TEXT",
            Self::Failures => "Istio 1.23 and later, TEXT, and what the receiver saw of the sender",
            Self::Json => "Istio 1.23.4, 1.24.2 and later, JSON",
            Self::Json1x9 => "Istio 1.9 to 1.23.3, 1.24.0 and 1.24.1, JSON",
            Self::Json1x8 => "Istio 1.8, JSON",
            Self::Json1x3 => "Istio 1.3 to 1.7, JSON",
        }
    }

    /// What `accessLogFormat` would have to be: a format string, or a JSON object.
    pub fn format_string(self) -> String {
        if self.is_json() {
            return self.json_format();
        }
        let (details, cluster) = match self {
            Self::Text1x9 => (format!("{DETAILS} {REASON}"), "%UPSTREAM_CLUSTER%"),
            Self::Text1x8 => (REASON.to_owned(), "%UPSTREAM_CLUSTER%"),
            Self::Text1x3 => (format!("\"{MIXER}\" {REASON}"), "%UPSTREAM_CLUSTER%"),
            _ => (format!("{DETAILS} {REASON}"), "%UPSTREAM_CLUSTER_RAW%"),
        };
        let suffix = if self == Self::Failures {
            FAILURES_SUFFIX
        } else {
            ""
        };
        format!("{HEAD} {details} {MIDDLE} {cluster} {TAIL}{suffix}\n")
    }

    fn json_format(self) -> String {
        let cluster = if self == Self::Json {
            "%UPSTREAM_CLUSTER_RAW%"
        } else {
            "%UPSTREAM_CLUSTER%"
        };
        let details: &[(&str, &str)] = match self {
            Self::Json1x8 => &[],
            Self::Json1x3 => &[("istio_policy_status", MIXER)],
            _ => &[
                (
                    "connection_termination_details",
                    "%CONNECTION_TERMINATION_DETAILS%",
                ),
                ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
            ],
        };
        let keys = JSON_KEYS.iter().chain(details);
        let object: Map<String, Value> = keys
            .chain(&[("upstream_cluster", cluster)])
            .map(|(key, operator)| ((*key).to_owned(), Value::from(*operator)))
            .collect();
        Value::from(object).to_string()
    }

    /// The compiled format.
    ///
    /// # Panics
    /// Never: each format compiles, which a test shows.
    #[allow(clippy::expect_used, reason = "the formats are constants")]
    pub fn reader(self) -> &'static Reader {
        static COMPILED: OnceLock<Vec<(BuiltIn, Reader)>> = OnceLock::new();
        let compile = |built_in: Self| (built_in, built_in.compile());
        let all = COMPILED.get_or_init(|| Self::ALL.map(compile).into());
        let found = all.iter().find(|(built_in, _)| *built_in == self);
        &found.expect("all formats are among them").1
    }

    #[allow(clippy::expect_used, reason = "the formats are constants")]
    fn compile(self) -> Reader {
        let text = self.format_string();
        if self.is_json() {
            Reader::Json(JsonFormat::compile(&text).expect("a format of Istio's compiles"))
        } else {
            Reader::Text(Format::compile(&text).expect("a format of Istio's compiles"))
        }
    }
}
