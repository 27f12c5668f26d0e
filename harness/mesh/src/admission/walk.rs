//! Compares an object with what is known of its kind, and says where they differ.

use std::fmt;

use serde_json::{Map, Value};

use crate::{
    api::schema::{Field, Shape},
    duration,
};

/// A difference between an object and its schema, with the path of the field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Nobody knows this field.
    Unknown(String),
    /// The value has another type, or is not among the allowed ones; the text as Kubernetes says it.
    Invalid { path: String, text: String },
    /// Istio knows the field, the embedded mesh does not act on it.
    Unsupported(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(path) => write!(f, "unknown field \"{path}\""),
            Self::Invalid { path, text } => write!(f, "{path}: {text}"),
            Self::Unsupported(path) => write!(f, "{path}: not supported by the embedded mesh"),
        }
    }
}

/// All differences between `value` and an object of `fields`, in the order of the value.
pub(crate) fn walk(value: &Value, fields: &[Field], path: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    object(value, fields, path, &mut found);
    found
}

fn shape(value: &Value, shape: &Shape, path: &str, found: &mut Vec<Problem>) {
    match shape {
        Shape::Text => expect(value, value.is_string(), "string", path, found),
        Shape::Bool => expect(value, value.is_boolean(), "boolean", path, found),
        Shape::Int => expect(
            value,
            value.is_i64() || value.is_u64(),
            "integer",
            path,
            found,
        ),
        Shape::Duration => duration_text(value, path, found),
        Shape::Enum(names) => one_of(value, names, path, found),
        Shape::List(item) => list(value, item, path, found),
        Shape::Map(item) => map(value, item, path, found),
        Shape::Object(fields) => object(value, fields, path, found),
        Shape::Free => {}
    }
}

fn expect(value: &Value, fits: bool, wanted: &str, path: &str, found: &mut Vec<Problem>) {
    if fits {
        return;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    found.push(Problem::Invalid {
        path: path.to_owned(),
        text: format!(
            "Invalid value: \"{kind}\": {path} in body must be of type {wanted}: \"{kind}\""
        ),
    });
}

fn duration_text(value: &Value, path: &str, found: &mut Vec<Problem>) {
    match value.as_str() {
        None => expect(value, false, "string", path, found),
        Some(text) if duration::parse(text).is_none() => found.push(Problem::Invalid {
            path: path.to_owned(),
            text: format!(
                "Invalid value: \"{}\": must be a duration such as 10s or 1m30s",
                clip(text)
            ),
        }),
        Some(_) => {}
    }
}

fn one_of(value: &Value, names: &[&str], path: &str, found: &mut Vec<Problem>) {
    match value.as_str() {
        None => expect(value, false, "string", path, found),
        Some(text) if !names.contains(&text) => {
            let allowed: Vec<String> = names.iter().map(|n| format!("\"{n}\"")).collect();
            found.push(Problem::Invalid {
                path: path.to_owned(),
                text: format!(
                    "Unsupported value: \"{}\": supported values: {}",
                    clip(text),
                    allowed.join(", ")
                ),
            });
        }
        Some(_) => {}
    }
}

/// What a user typed, short enough for a message.
fn clip(text: &str) -> String {
    if text.chars().count() <= 80 {
        return text.to_owned();
    }
    text.chars().take(80).chain("...".chars()).collect()
}

fn list(value: &Value, item: &Shape, path: &str, found: &mut Vec<Problem>) {
    let Some(values) = value.as_array() else {
        return expect(value, false, "array", path, found);
    };
    for (index, value) in values.iter().enumerate() {
        shape(value, item, &format!("{path}[{index}]"), found);
    }
}

fn map(value: &Value, item: &Shape, path: &str, found: &mut Vec<Problem>) {
    let Some(values) = value.as_object() else {
        return expect(value, false, "object", path, found);
    };
    for (key, value) in values {
        shape(value, item, &format!("{path}.{}", clip(key)), found);
    }
}

fn object(value: &Value, fields: &[Field], path: &str, found: &mut Vec<Problem>) {
    let Some(values) = value.as_object() else {
        return expect(value, false, "object", path, found);
    };
    for (key, value) in values {
        let path = format!("{path}.{}", clip(key));
        match fields.iter().find(|f| f.name == key) {
            None => found.push(Problem::Unknown(path)),
            // An empty unsupported field asks for nothing.
            Some(_) if value.is_null() => {}
            Some(field) => {
                shape(value, &field.shape, &path, found);
                if !field.supported && asks_for_something(value) {
                    found.push(Problem::Unsupported(path));
                }
            }
        }
    }
}

fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(values) => !Map::is_empty(values),
    }
}

/// The value without members that are null, as the API server drops them.
pub(crate) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(values) => Value::Object(
            values
                .iter()
                .filter(|(_, v)| !v.is_null())
                .map(|(k, v)| (k.clone(), without_nulls(v)))
                .collect(),
        ),
        Value::Array(values) => Value::Array(values.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}
