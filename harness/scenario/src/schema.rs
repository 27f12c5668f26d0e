//! The JSON Schema that editors use.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use crate::Scenario;

/// The JSON Schema (draft 2020-12) of a scenario file, as pretty JSON with a newline at the end.
///
/// # Errors
/// The schema cannot be written as JSON.
pub fn json_schema() -> Result<String, serde_json::Error> {
    let schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Scenario>();
    serde_json::to_string_pretty(&schema).map(|text| text + "\n")
}

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
