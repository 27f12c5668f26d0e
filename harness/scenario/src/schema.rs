//! The JSON Schema that editors use.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::Scenario;

/// The JSON Schema (draft 2020-12) of a scenario file, as pretty JSON with a newline at the end.
///
/// # Errors
/// The schema cannot be written as JSON.
pub fn json_schema() -> Result<String, serde_json::Error> {
    let schema = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(without_null))
        .into_generator()
        .into_root_schema_for::<Scenario>();
    serde_json::to_string_pretty(&schema).map(|text| text + "\n")
}

/// Takes back what an `Option` puts into a schema: a key may be left out, but not be null.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                // The description of the key says more than that of its type.
                if schema.get(&key).is_none() {
                    schema.insert(key, value);
                }
            }
        }
    }
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
