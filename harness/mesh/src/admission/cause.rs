//! Why the API server refuses a field, in kube-apiserver's words.

use std::fmt;

use serde_json::Value;

use super::text::quoted;

/// One refused field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The machine-readable word, such as `FieldValueRequired`.
    pub reason: &'static str,
    /// The path, such as `spec.servers[0].port`.
    pub field: String,
    /// What is wrong, without the path.
    pub message: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

const INVALID: &str = "FieldValueInvalid";

impl Cause {
    fn new(reason: &'static str, field: &str, message: String) -> Self {
        Self {
            reason,
            field: field.to_owned(),
            message,
        }
    }

    /// The value has the type `got` instead of `wanted`.
    pub(crate) fn of_type(field: &str, wanted: &str, got: &str) -> Self {
        let message = format!(
            "Invalid value: \"{got}\": {field} in body must be of type {wanted}: \"{got}\""
        );
        Self::new("FieldValueTypeInvalid", field, message)
    }

    pub(crate) fn required(field: &str) -> Self {
        Self::new("FieldValueRequired", field, "Required value".into())
    }

    pub(crate) fn not_supported(field: &str, value: &Value, allowed: &[&str]) -> Self {
        let allowed: Vec<String> = allowed.iter().map(|a| quoted(a)).collect();
        let message = format!(
            "Unsupported value: {}: supported values: {}",
            shown(value),
            allowed.join(", ")
        );
        Self::new("FieldValueNotSupported", field, message)
    }

    pub(crate) fn too_long(field: &str, most: usize) -> Self {
        let message = format!("Too long: may not be more than {most} bytes");
        Self::new("FieldValueTooLong", field, message)
    }

    pub(crate) fn too_many(field: &str, count: usize, most: usize) -> Self {
        let message = format!("Too many: {count}: must have at most {most} items");
        Self::new("FieldValueTooMany", field, message)
    }

    pub(crate) fn duplicate(field: &str, value: &Value) -> Self {
        Self::new(
            "FieldValueDuplicate",
            field,
            format!("Duplicate value: {}", shown(value)),
        )
    }

    /// A value that its schema's bounds exclude; `bound` follows "in body should".
    pub(crate) fn out_of_bounds(field: &str, value: &Value, bound: &str) -> Self {
        let message = format!(
            "Invalid value: {}: {field} in body should {bound}",
            shown(value)
        );
        Self::new(INVALID, field, message)
    }

    /// A value that a rule refuses; objects and lists are not shown.
    pub(crate) fn rule(field: &str, value: &Value, why: &str) -> Self {
        let message = if value.is_object() || value.is_array() {
            format!("Invalid value: {why}")
        } else {
            format!("Invalid value: {}: {why}", shown(value))
        };
        Self::new(INVALID, field, message)
    }

    /// A whole number that does not fit its format. The API server says the path in the text only.
    pub(crate) fn format(path: &str, format: &str) -> Self {
        let why = format!("Checked value must be of type integer {format} in {path}");
        Self::new(INVALID, "<nil>", format!("Invalid value: \"\": {why}"))
    }

    /// Said beside errors that kept the rules from being looked at.
    pub(crate) fn unchecked() -> Self {
        let why = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
        Self::new(INVALID, "<nil>", format!("Invalid value: null: {why}"))
    }

    /// Whether rules are not looked at beside it.
    pub(crate) fn blocks_rules(&self) -> bool {
        !matches!(self.reason, INVALID | "FieldValueDuplicate")
    }
}

/// A value as JSON, short enough for a message.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(&clip(text)),
        other => clip(&other.to_string()),
    }
}

/// What a user typed, short enough for a message.
pub(crate) fn clip(text: &str) -> String {
    if text.chars().count() <= 80 {
        return text.to_owned();
    }
    text.chars().take(80).chain("...".chars()).collect()
}
