//! The words of the record, for people.

use serde::Serialize;

/// The spelling of a hop, a cause, an outcome or another plain word in the run record.
pub fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}
