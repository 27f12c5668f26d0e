//! GET of an object and LIST.

use std::sync::Arc;

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::Call;
use super::negotiate::{self, Format};
use super::render::{Shown, formatted};
use crate::object;
use crate::select::Selector;
use crate::server::ApiServer;
use crate::status::StatusError;
use crate::store::Listing;

pub(super) fn get(server: &ApiServer, call: &Call) -> Result<Response, StatusError> {
    let format = negotiate::format(&call.parts.headers)?;
    let object = existing(server, call)?;
    show(format, StatusCode::OK, call, &object)
}

/// The stored object that the call names, or 404.
pub(super) fn existing(server: &ApiServer, call: &Call) -> Result<Arc<Value>, StatusError> {
    let (kind, name) = (call.path.kind, call.path.object_name());
    let found = server.store.get(kind, call.path.space(), name);
    found.ok_or_else(|| StatusError::not_found(kind.info().group, kind.info().plural, name))
}

/// One object in the version and form asked for.
pub(super) fn show(
    format: Format,
    code: StatusCode,
    call: &Call,
    object: &Value,
) -> Result<Response, StatusError> {
    let version = call.path.api_version();
    let shown = Shown {
        object,
        api_version: Some(&version),
        partial: format == Format::PartialMetadata,
    };
    formatted(format, code, &shown)
}

#[derive(Serialize)]
struct List<'a> {
    kind: String,
    #[serde(rename = "apiVersion")]
    api_version: &'a str,
    metadata: Value,
    items: Vec<Shown<'a>>,
}

pub(super) fn list(server: &ApiServer, call: &Call) -> Result<Response, StatusError> {
    let format = negotiate::format(&call.parts.headers)?;
    let page = page(server, call)?;
    let mut metadata = json!({ "resourceVersion": page.revision.to_string() });
    if let Some(next) = &page.next {
        metadata["continue"] = next.clone().into();
        if let Some(remaining) = page.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
    }
    show_list(format, call, metadata, &page.items)
}

/// A list object of `items`.
pub(super) fn show_list(
    format: Format,
    call: &Call,
    metadata: Value,
    items: &[Arc<Value>],
) -> Result<Response, StatusError> {
    let info = call.path.kind.info();
    let version = call.path.api_version();
    let partial = format == Format::PartialMetadata;
    // Lists of built-in kinds leave out what the list says; custom resources repeat it.
    let item_version = info.is_custom().then_some(version.as_str());
    let list = List {
        kind: if partial {
            "PartialObjectMetadataList".into()
        } else {
            format!("{}List", info.name)
        },
        api_version: if partial { "meta.k8s.io/v1" } else { &version },
        metadata,
        items: items
            .iter()
            .map(|object| Shown {
                object,
                api_version: item_version,
                partial,
            })
            .collect(),
    };
    formatted(format, StatusCode::OK, &list)
}

struct Page {
    items: Vec<Arc<Value>>,
    revision: u64,
    next: Option<String>,
    remaining: Option<usize>,
}

/// The selector of a list, watch or deletion; a name in the path selects by name.
pub(super) fn selector(call: &Call) -> Result<Selector, StatusError> {
    let (labels, fields) = (
        call.query.text("labelSelector"),
        call.query.text("fieldSelector"),
    );
    match &call.path.name {
        None => Selector::parse(call.path.kind, labels, fields),
        Some(name) => {
            let by_name = format!("metadata.name={name}");
            let fields = if fields.is_empty() {
                by_name
            } else {
                format!("{fields},{by_name}")
            };
            Selector::parse(call.path.kind, labels, &fields)
        }
    }
}

fn page(server: &ApiServer, call: &Call) -> Result<Page, StatusError> {
    let selector = selector(call)?;
    let limit = call.query.number::<usize>("limit")?.unwrap_or(0);
    let after = call.query.text("continue");
    let after = if after.is_empty() {
        None
    } else {
        Some(Continue::decode(after)?)
    };
    check_revision(server, call)?;
    let Listing { items, revision } = server
        .store
        .list(call.path.kind, call.path.namespace.as_deref());
    let revision = after.as_ref().map_or(revision, |token| token.revision);
    let start = after.as_ref().map_or(0, |token| {
        items.partition_point(|item| place(item) <= token.place())
    });
    let selected: Vec<Arc<Value>> = items[start..]
        .iter()
        .filter(|item| selector.matches(item))
        .cloned()
        .collect();
    if limit == 0 || selected.len() <= limit {
        return Ok(Page {
            items: selected,
            revision,
            next: None,
            remaining: None,
        });
    }
    let remaining = selector.is_all().then(|| selected.len() - limit);
    let kept = selected[..limit].to_vec();
    let next = kept
        .last()
        .map(|last| Continue::after(last, revision).encode());
    Ok(Page {
        items: kept,
        revision,
        next,
        remaining,
    })
}

/// A list at an exact revision other than the current one cannot be given.
fn check_revision(server: &ApiServer, call: &Call) -> Result<(), StatusError> {
    let text = call.query.text("resourceVersion");
    if text.is_empty() || text == "0" {
        return Ok(());
    }
    let asked = revision_number(text)?;
    let current = server.store.revision();
    if asked > current {
        let message = format!("Too large resource version: {asked}, current: {current}");
        return Err(StatusError::new(504, "Timeout", message).with_details(json!({
            "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
            "retryAfterSeconds": 1,
        })));
    }
    if call.query.text("resourceVersionMatch") == "Exact" && asked != current {
        return Err(StatusError::gone(format!(
            "The provided resource version {asked} is no longer kept; list at {current}"
        )));
    }
    Ok(())
}

/// A revision in a query.
pub(super) fn revision_number(text: &str) -> Result<u64, StatusError> {
    text.parse().map_err(|_| {
        let message = format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax");
        StatusError::new(500, "", message)
    })
}

fn place(object: &Value) -> (&str, &str) {
    (object::namespace(object), object::name(object))
}

/// Where the next page starts.
#[derive(serde::Serialize, serde::Deserialize)]
struct Continue {
    #[serde(rename = "rv")]
    revision: u64,
    namespace: String,
    name: String,
}

impl Continue {
    fn after(object: &Value, revision: u64) -> Self {
        let (namespace, name) = place(object);
        Self {
            revision,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    fn place(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }

    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(json!(self).to_string())
    }

    fn decode(token: &str) -> Result<Self, StatusError> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(|| {
            StatusError::bad_request("continue key is not valid: take it from the metadata of the page before, unchanged")
        })
    }
}
