//! The parts of `metadata` that the store writes.

use serde_json::{Value, json};

/// The current time as Kubernetes writes it: RFC 3339, whole seconds, UTC.
pub fn now() -> String {
    let seconds = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| String::from("1970-01-01T00:00:00Z"), |t| t.to_string())
}

pub(super) fn set_revision(object: &mut Value, revision: u64) {
    if let Some(object) = object.as_object_mut() {
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        metadata["resourceVersion"] = revision.to_string().into();
    }
}
