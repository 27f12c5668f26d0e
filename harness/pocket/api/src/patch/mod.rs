//! The four patch types.

#[allow(clippy::match_same_arms)] // it has a table: one row per list
mod strategic;

use json_patch::Patch;
use serde_json::Value;

use crate::kinds::Kind;
use crate::status::StatusError;

/// A decoded patch.
#[derive(Debug, Clone)]
pub(crate) enum PatchBody {
    /// RFC 6902.
    Json(Patch),
    /// RFC 7386.
    Merge(Value),
    /// Merge by the kinds' list keys.
    Strategic(Value),
    /// Server-side apply.
    Apply(Value),
}

/// Applies a JSON, merge or strategic patch. Apply is not a function of the object alone
/// and leaves it unchanged here.
pub(crate) fn apply(kind: Kind, patch: &PatchBody, object: &mut Value) -> Result<(), StatusError> {
    match patch {
        PatchBody::Json(patch) => json_patch::patch(object, patch).map_err(|_| rejected()),
        PatchBody::Merge(patch) => {
            if !patch.is_object() {
                return Err(StatusError::bad_request(
                    "a merge patch must be a JSON object",
                ));
            }
            json_patch::merge(object, patch);
            Ok(())
        }
        PatchBody::Strategic(patch) => strategic::apply(kind, object, patch),
        PatchBody::Apply(_) => Ok(()),
    }
}

/// A JSON patch that does not fit the object. Kubernetes says no more than this.
fn rejected() -> StatusError {
    let mut error = StatusError::new(
        422,
        "Invalid",
        "the server rejected our request due to an error in our request",
    );
    error.details = Some(Box::default());
    error
}
