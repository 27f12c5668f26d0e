//! Compares an object with what is known of its kind, and says where they differ.

use std::fmt;

use serde_json::{Map, Value, json};

use super::cause::{Cause, clip};
use crate::{
    api::schema::{Field, Shape},
    duration,
};

/// A difference between an object and its schema, with the path of the field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Nobody knows this field.
    Unknown(String),
    /// The field is missing.
    Missing(String),
    /// The value has another type, or is not among the allowed ones: nobody can read it.
    Unreadable(Cause),
    /// Istio knows the field, the embedded mesh does not act on it.
    Unsupported(String),
}

impl Problem {
    /// What the API server says of it; nothing of fields that are only not supported or not known.
    pub(crate) fn cause(&self) -> Option<Cause> {
        match self {
            Self::Missing(path) => Some(Cause::required(path)),
            Self::Unreadable(cause) => Some(cause.clone()),
            Self::Unknown(_) | Self::Unsupported(_) => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(path) => write!(f, "unknown field \"{path}\""),
            Self::Missing(path) => write!(f, "{}", Cause::required(path)),
            Self::Unreadable(cause) => write!(f, "{cause}"),
            Self::Unsupported(path) => write!(f, "{path}: not supported by the embedded mesh"),
        }
    }
}

/// All differences between `value` and an object of `fields`, in the order of the value. `path` is the
/// name of the root; without one, paths begin with the name of a field.
pub(crate) fn walk(value: &Value, fields: &[Field], path: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    object(value, fields, path, &mut found);
    found
}

fn shape(value: &Value, shape: &Shape, path: &str, found: &mut Vec<Problem>) {
    match shape {
        Shape::Text => expect(value, value.is_string(), "string", path, found),
        Shape::Bool => expect(value, value.is_boolean(), "boolean", path, found),
        Shape::Int => signed(value, path, found),
        Shape::Uint => unsigned(value, path, found),
        Shape::Number => expect(value, value.is_number(), "number", path, found),
        Shape::Duration => duration_text(value, path, found),
        Shape::Enum(names) => one_of(value, names, path, found),
        Shape::List(item) => list(value, item, path, found),
        Shape::Map(item) => map(value, item, path, found),
        Shape::Object(fields) => object(value, fields, path, found),
        Shape::Opaque(kind) => expect(value, type_of(value) == *kind, kind, path, found),
        Shape::Free => {}
    }
}

/// The name of a value's type in JSON Schema.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() && whole(n.as_f64()).is_none() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A float that is a whole number, as `1.0` is, and fits 64 bits.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "checked by the comparison"
)]
fn whole(number: Option<f64>) -> Option<i64> {
    let number = number?;
    let cut = number as i64;
    (cut as f64 == number && cut != i64::MAX).then_some(cut)
}

fn expect(value: &Value, fits: bool, wanted: &str, path: &str, found: &mut Vec<Problem>) {
    if !fits {
        let cause = Cause::of_type(path, wanted, type_of(value));
        found.push(Problem::Unreadable(cause));
    }
}

fn signed(value: &Value, path: &str, found: &mut Vec<Problem>) {
    let Some(number) = value.as_i64().or_else(|| whole(value.as_f64())) else {
        let large = value.is_u64();
        return if large {
            let cause = Cause::format(path, "with format int32");
            found.push(Problem::Unreadable(cause));
        } else {
            expect(value, false, "integer", path, found);
        };
    };
    if i32::try_from(number).is_err() {
        let cause = Cause::format(path, "with format int32");
        found.push(Problem::Unreadable(cause));
    }
}

fn unsigned(value: &Value, path: &str, found: &mut Vec<Problem>) {
    let number = value.as_i64().or_else(|| whole(value.as_f64()));
    let bound = match number {
        None if value.is_u64() => "be less than or equal to 4294967295",
        None => return expect(value, false, "integer", path, found),
        Some(n) if n < 0 => "be greater than or equal to 0",
        Some(n) if n > i64::from(u32::MAX) => "be less than or equal to 4294967295",
        Some(_) => return,
    };
    let cause = Cause::out_of_bounds(path, value, bound);
    found.push(Problem::Unreadable(cause));
}

fn duration_text(value: &Value, path: &str, found: &mut Vec<Problem>) {
    match value.as_str() {
        None => expect(value, false, "string", path, found),
        Some(text) if duration::parse(text).is_none() => {
            let why = "must be a duration such as 10s or 1m30s";
            found.push(Problem::Unreadable(Cause::rule(path, value, why)));
        }
        Some(_) => {}
    }
}

fn one_of(value: &Value, names: &[&str], path: &str, found: &mut Vec<Problem>) {
    expect(value, value.is_string(), "string", path, found);
    if !value.as_str().is_some_and(|text| names.contains(&text)) {
        let cause = Cause::not_supported(path, value, names);
        found.push(Problem::Unreadable(cause));
    }
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
        shape(value, item, &below(path, key), found);
    }
}

fn object(value: &Value, fields: &[Field], path: &str, found: &mut Vec<Problem>) {
    let Some(values) = value.as_object() else {
        return expect(value, false, "object", path, found);
    };
    for (key, value) in values {
        let path = below(path, key);
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
    let missing = |f: &&Field| values.get(f.name).is_none_or(Value::is_null);
    let required = fields.iter().filter(|f| f.required).filter(missing);
    found.extend(required.map(|f| Problem::Missing(below(path, f.name))));
}

fn below(path: &str, key: &str) -> String {
    let key = clip(key);
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
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

/// The value as the API server stores it: without members that are null, and with whole numbers
/// written as such.
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
        Value::Number(n) if n.is_f64() => whole(n.as_f64()).map_or(value.clone(), |n| json!(n)),
        other => other.clone(),
    }
}

/// The value as Istio reads it: a list without items is no list.
pub(crate) fn as_read(value: &Value) -> Value {
    let mut value = without_nulls(value);
    drop_empty_lists(&mut value);
    value
}

fn drop_empty_lists(value: &mut Value) {
    match value {
        Value::Object(values) => {
            values.retain(|_, v| v.as_array().is_none_or(|l| !l.is_empty()));
            values.values_mut().for_each(drop_empty_lists);
        }
        Value::Array(values) => values.iter_mut().for_each(drop_empty_lists),
        _ => {}
    }
}
