//! Responses.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::negotiate::Format;
use crate::status::StatusError;

impl IntoResponse for StatusError {
    fn into_response(self) -> Response {
        json(
            StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            &self.to_value(),
        )
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}

/// An object of the store in the version asked for, without copying it.
pub(super) struct Shown<'a> {
    pub(super) object: &'a Value,
    /// `apiVersion` to show; `None` leaves it and `kind` out, as in lists of built-in kinds.
    pub(super) api_version: Option<&'a str>,
    /// Metadata alone, as `PartialObjectMetadata`.
    pub(super) partial: bool,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(map) = self.object.as_object() else {
            return self.object.serialize(serializer);
        };
        let mut out = serializer.serialize_map(None)?;
        if self.partial {
            out.serialize_entry("kind", "PartialObjectMetadata")?;
            out.serialize_entry("apiVersion", "meta.k8s.io/v1")?;
            out.serialize_entry("metadata", &self.object["metadata"])?;
            return out.end();
        }
        for (key, value) in map {
            match (key.as_str(), self.api_version) {
                ("apiVersion" | "kind", None) => {}
                ("apiVersion", Some(version)) => out.serialize_entry(key, version)?,
                _ => out.serialize_entry(key, value)?,
            }
        }
        out.end()
    }
}

/// JSON with a status code.
pub(super) fn json(code: StatusCode, body: &impl Serialize) -> Result<Response, StatusError> {
    let bytes = serde_json::to_vec(body)
        .map_err(|error| StatusError::internal(format!("encoding the response: {error}")))?;
    Ok(with_type(code, "application/json", bytes.into()))
}

/// In the form that the client accepts.
pub(super) fn formatted(
    format: Format,
    code: StatusCode,
    body: &impl Serialize,
) -> Result<Response, StatusError> {
    match format {
        Format::Json | Format::PartialMetadata => json(code, body),
        Format::Yaml => {
            let text = serde_saphyr::to_string(body).map_err(|error| {
                StatusError::internal(format!("encoding the response: {error}"))
            })?;
            Ok(with_type(code, "application/yaml", text.into()))
        }
    }
}

/// Adds one `Warning` header (RFC 7234, code 299) per text.
pub(super) fn warn(headers: &mut HeaderMap, warnings: &[String]) {
    for text in warnings {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            headers.append(HeaderName::from_static("warning"), value);
        }
    }
}

/// 404 for a path that is no path of the API.
pub(super) fn page_not_found() -> Response {
    with_type(
        StatusCode::NOT_FOUND,
        "text/plain; charset=utf-8",
        "404 page not found\n".into(),
    )
}

pub(super) fn with_type(code: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
