//! The JSON Schema that editors use.

use schemars::JsonSchema;

/// The one value of `apiVersion`.
#[derive(JsonSchema)]
#[schemars(inline)]
#[allow(dead_code, reason = "only its schema is used")]
pub(crate) enum ApiVersion {
    /// The version of the format.
    #[schemars(rename = "meshproof.dev/v1alpha1")]
    V1Alpha1,
}

/// The one value of `kind`.
#[derive(JsonSchema)]
#[schemars(inline)]
#[allow(dead_code, reason = "only its schema is used")]
pub(crate) enum Kind {
    /// A scenario.
    Scenario,
}
