//! What admission says of a resource.

use serde_json::Value;

use crate::MeshConfig;

/// The answer of admission to one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Why the object is refused, as the whole text of the API server's answer
    /// (`admission webhook "..." denied the request: ...`); `None` where it is accepted.
    pub error: Option<String>,
    /// Warnings, without the `Warning:` that clients print before them.
    pub warnings: Vec<String>,
}

/// Judges one object as it would be stored. Kinds that are not Istio's are accepted without a look.
pub fn admit(_object: &Value, _mesh: &MeshConfig) -> Admission {
    Admission::default()
}
