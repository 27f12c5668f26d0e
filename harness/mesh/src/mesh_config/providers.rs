//! What `extensionProviders` offer: logs to a file, logs to elsewhere, decisions on connections
//! (`pilot/pkg/model/telemetry_logging.go`, `pilot/pkg/security/authz/builder/extauthz.go`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::duration;

/// The format of Istio's TEXT access logs since 1.23 (`pilot/pkg/model/telemetry_logging.go`).
pub const TEXT_FORMAT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" ",
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ",
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% ",
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ",
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n",
);

/// The encoding of access logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogEncoding {
    /// Lines of an Envoy format string.
    Text(String),
    /// One JSON object a line: Istio's own keys (`None`), or these keys and format strings.
    Json(Option<Value>),
}

/// A provider that writes access logs to a file.
#[derive(Clone, Debug)]
pub(crate) struct FileLogProvider {
    pub(crate) path: String,
    pub(crate) encoding: AccessLogEncoding,
    pub(crate) omit_empty_values: bool,
}

/// A provider of `extensionProviders`.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) kind: ProviderKind,
}

/// What a provider does to a TCP connection.
#[derive(Clone, Debug)]
pub(crate) enum ProviderKind {
    /// Logs it to a file.
    File(FileLogProvider),
    /// Logs it to a server: not supported by the embedded mesh.
    RemoteLog,
    /// Decides on it.
    Authorizer(Authorizer),
    /// Nothing: traces, metrics.
    Other,
}

/// A server that decides on connections or requests.
#[derive(Clone, Debug)]
pub(crate) struct Authorizer {
    /// A host, perhaps with a namespace and `/` before it.
    pub(crate) service: String,
    pub(crate) port: u32,
    pub(crate) timeout: String,
    pub(crate) fail_open: bool,
    /// Whether it is asked over gRPC; one that is asked over HTTP has no say in TCP.
    pub(crate) grpc: bool,
    /// Whether the fields that only HTTP has are in order.
    well_formed: bool,
}

/// Lists of header names, none of which may be a lone wildcard.
const HEADERS: &[&str] = &[
    "includeRequestHeadersInCheck",
    "includeHeadersInCheck",
    "headersToDownstreamOnDeny",
    "headersToDownstreamOnAllow",
    "headersToUpstreamOnAllow",
];

impl Authorizer {
    fn of(provider: &Value, grpc: bool) -> Self {
        let timeout = provider["timeout"].as_str().and_then(duration::envoy);
        let path = provider["pathPrefix"].as_str().unwrap_or_default();
        let wildcard = HEADERS
            .iter()
            .filter_map(|field| provider[*field].as_array())
            .any(|names| names.iter().any(|n| n == "*"));
        Self {
            service: provider["service"].as_str().unwrap_or_default().to_owned(),
            port: provider["port"]
                .as_u64()
                .and_then(|p| u32::try_from(p).ok())
                .unwrap_or_default(),
            timeout: timeout.unwrap_or_else(|| "600s".into()),
            fail_open: provider["failOpen"].as_bool().unwrap_or_default(),
            grpc,
            well_formed: (path.is_empty() || path.starts_with('/')) && !wildcard,
        }
    }

    /// Whether istiod asks it, under this name, as far as the name and its own fields go.
    pub(crate) fn is_usable(&self, name: &str) -> bool {
        let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        self.well_formed
            && (1..=65535).contains(&self.port)
            && (1..=63).contains(&name.len())
            && name.chars().all(is_label)
            && !name.starts_with('-')
            && !name.ends_with('-')
    }
}

/// Istio's own providers, and those that are given: one of a name that is known takes its place.
pub(super) fn all(
    given: &[BTreeMap<String, Value>],
    encoding: &AccessLogEncoding,
) -> Vec<Provider> {
    let own = FileLogProvider {
        path: "/dev/stdout".into(),
        encoding: encoding.clone(),
        omit_empty_values: false,
    };
    let mut all: Vec<Provider> = [
        ("prometheus", ProviderKind::Other),
        ("stackdriver", ProviderKind::Other),
        ("envoy", ProviderKind::File(own)),
    ]
    .into_iter()
    .map(|(name, kind)| Provider {
        name: name.to_owned(),
        kind,
    })
    .collect();
    for provider in given {
        let name = provider.get("name").and_then(Value::as_str);
        let name = name.unwrap_or_default().to_owned();
        let kind = kind(provider, &name, encoding);
        match all.iter_mut().find(|p| p.name == name) {
            Some(known) => known.kind = kind,
            None => all.push(Provider { name, kind }),
        }
    }
    all
}

fn kind(
    provider: &BTreeMap<String, Value>,
    name: &str,
    encoding: &AccessLogEncoding,
) -> ProviderKind {
    for (field, value) in provider {
        match field.as_str() {
            "envoyFileAccessLog" => return ProviderKind::File(file(value, name, encoding)),
            "envoyHttpAls" | "envoyTcpAls" | "envoyOtelAls" => return ProviderKind::RemoteLog,
            "envoyExtAuthzGrpc" => return ProviderKind::Authorizer(Authorizer::of(value, true)),
            "envoyExtAuthzHttp" => return ProviderKind::Authorizer(Authorizer::of(value, false)),
            _ => {}
        }
    }
    ProviderKind::Other
}

fn file(provider: &Value, name: &str, mesh: &AccessLogEncoding) -> FileLogProvider {
    let omit_empty_values = provider["omitEmptyValues"].as_bool().unwrap_or(false);
    let path = provider["path"].as_str().unwrap_or_default();
    // The built-in provider, said anew without a format, has the mesh's own.
    let is_own = name == "envoy" && provider["logFormat"].is_null() && !omit_empty_values;
    FileLogProvider {
        path: if path.is_empty() && !is_own {
            "/dev/stdout".into()
        } else {
            path.into()
        },
        encoding: if is_own {
            mesh.clone()
        } else {
            file_encoding(&provider["logFormat"])
        },
        omit_empty_values,
    }
}

fn file_encoding(format: &Value) -> AccessLogEncoding {
    match (&format["text"], format["labels"].as_object()) {
        (Value::String(text), _) => AccessLogEncoding::Text(text_format(text)),
        (_, Some(labels)) if labels.is_empty() => AccessLogEncoding::Json(None),
        (_, Some(labels)) => AccessLogEncoding::Json(Some(Value::Object(labels.clone()))),
        _ => AccessLogEncoding::Text(TEXT_FORMAT.to_owned()),
    }
}

/// The encoding of the mesh's own access logs.
pub(super) fn encoding(encoding: &str, format: &str) -> AccessLogEncoding {
    if encoding == "JSON" {
        // A format that is no JSON object is ignored, as istiod does with a log line.
        let own = serde_json::from_str::<Value>(format)
            .ok()
            .filter(Value::is_object);
        return AccessLogEncoding::Json(own);
    }
    AccessLogEncoding::Text(text_format(format))
}

/// An own format ends with a line feed, whether the user wrote one or not.
fn text_format(format: &str) -> String {
    match format {
        "" => TEXT_FORMAT.to_owned(),
        f if f.ends_with('\n') => f.to_owned(),
        f => format!("{f}\n"),
    }
}
