//! Request bodies.

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use super::{BODY_LIMIT, duplicates};
use crate::kinds::KindInfo;
use crate::patch::PatchBody;
use crate::status::StatusError;

/// The media type without parameters, lower case.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// The whole body, 413 beyond the limit.
pub(super) async fn bytes(body: Body) -> Result<Bytes, StatusError> {
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(StatusError::new(
            413,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {BODY_LIMIT}"),
        )),
        Err(error) => Err(StatusError::bad_request(format!(
            "reading the request's body: {error}"
        ))),
    }
}

/// An object to create or replace, and the paths of members that came more than once.
pub(super) fn object(
    info: &KindInfo,
    media: &str,
    bytes: &[u8],
) -> Result<(Value, Vec<String>), StatusError> {
    let wrong = |why: String| {
        StatusError::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): {why}",
            info.name
        ))
    };
    let (value, duplicates) = match media {
        "application/json" | "" => duplicates::read(bytes).map_err(|error| {
            wrong(format!(
                "couldn't get version/kind; json parse error: {error}"
            ))
        })?,
        "application/yaml" => (
            yaml(bytes).map_err(|why| wrong(format!("yaml: {why}")))?,
            Vec::new(),
        ),
        _ => return Err(unsupported("application/json, application/yaml")),
    };
    if value.is_object() {
        Ok((value, duplicates))
    } else {
        Err(wrong(
            "couldn't get version/kind; json parse error: the document is not an object".into(),
        ))
    }
}

/// A patch of a supported type.
pub(super) fn patch(info: &KindInfo, media: &str, bytes: &[u8]) -> Result<PatchBody, StatusError> {
    let wrong = |error: &dyn std::fmt::Display| {
        StatusError::bad_request(format!("error decoding patch: {error}"))
    };
    match media {
        "application/json-patch+json" => serde_json::from_slice(bytes)
            .map(PatchBody::Json)
            .map_err(|error| wrong(&error)),
        "application/merge-patch+json" => serde_json::from_slice(bytes)
            .map(PatchBody::Merge)
            .map_err(|error| wrong(&error)),
        "application/strategic-merge-patch+json" if !info.is_custom() => {
            serde_json::from_slice(bytes)
                .map(PatchBody::Strategic)
                .map_err(|error| wrong(&error))
        }
        "application/apply-patch+yaml" => yaml(bytes)
            .map(PatchBody::Apply)
            .map_err(|error| wrong(&error)),
        "application/strategic-merge-patch+json" => Err(unsupported(
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        )),
        _ => {
            let mut error =
                StatusError::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
            error.details = Some(Box::default());
            Err(error)
        }
    }
}

/// YAML to JSON; duplicate keys are errors.
fn yaml(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    // JSON is the usual body of an apply, and quicker to read as such.
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

fn unsupported(accepted: &str) -> StatusError {
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: {accepted}"
    );
    StatusError::new(415, "UnsupportedMediaType", message)
}

/// A JSON object of any kind, for options.
pub(super) fn object_like(bytes: &[u8]) -> Result<Value, String> {
    let value = yaml(bytes)?;
    if value.is_object() {
        Ok(value)
    } else {
        Err("the document is not an object".into())
    }
}
