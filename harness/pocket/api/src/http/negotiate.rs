//! What a client accepts.

use http::HeaderMap;
use http::header::ACCEPT;

use crate::status::StatusError;

/// The form of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Yaml,
    /// Objects reduced to their metadata.
    PartialMetadata,
}

/// The first acceptable form, 406 if there is none. Forms that the server lacks (tables,
/// protobuf) are passed over: clients that ask for them name plain JSON behind.
pub(super) fn format(headers: &HeaderMap) -> Result<Format, StatusError> {
    let Some(accept) = headers.get(ACCEPT).and_then(|value| value.to_str().ok()) else {
        return Ok(Format::Json);
    };
    accept.split(',').find_map(one).ok_or_else(not_acceptable)
}

/// The client asks for aggregated discovery.
pub(super) fn wants_aggregated(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let is_v2 = |entry: &str| entry.split(';').any(|part| part.trim() == "v=v2");
    accept
        .split(',')
        .any(|entry| entry.contains("as=APIGroupDiscoveryList") && is_v2(entry))
}

fn one(entry: &str) -> Option<Format> {
    let mut parts = entry.split(';').map(str::trim);
    let media = parts.next()?;
    let shown = parts.find_map(|part| part.strip_prefix("as="));
    match (media, shown) {
        ("application/json" | "*/*" | "application/*", None) => Some(Format::Json),
        ("application/yaml", None) => Some(Format::Yaml),
        ("application/json", Some("PartialObjectMetadata" | "PartialObjectMetadataList")) => {
            Some(Format::PartialMetadata)
        }
        _ => None,
    }
}

fn not_acceptable() -> StatusError {
    let mut error = StatusError::new(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/yaml",
    );
    error.details = Some(Box::default());
    error
}
