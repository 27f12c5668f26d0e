//! Names of hops and causes, as the run record spells them.

use meshproof_record::{Cause, Hop};
use serde::Serialize;

/// A hop's name.
pub(crate) fn hop(hop: Hop) -> String {
    spelled(hop)
}

/// A cause's name.
pub(crate) fn cause(cause: Cause) -> String {
    spelled(cause)
}

fn spelled(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        other => unreachable!("hops and causes are spelled as strings, not {other:?}"),
    }
}
