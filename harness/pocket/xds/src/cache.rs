//! Encoded resources, each kept as long as somebody has the resource.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use serde_json::Value;

use crate::{EncodeError, encode, status::ResourceType};

/// A resource's name and bytes.
type Encoded = (Arc<str>, Bytes);

/// Encoded resources by the address of what they were encoded from.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    known: HashMap<(ResourceType, usize), Known>,
    /// How many there may be before those that nobody has are looked for.
    limit: usize,
}

#[derive(Debug)]
struct Known {
    /// While it is here, the address means no other value.
    value: Weak<Value>,
    encoded: Encoded,
}

const LEAST: usize = 1000;

impl Cache {
    /// The name and the bytes of a resource, the `index`th of its type.
    pub(crate) fn encode(
        &mut self,
        kind: ResourceType,
        index: usize,
        value: &Arc<Value>,
    ) -> Result<Encoded, EncodeError> {
        let key = (kind, Arc::as_ptr(value).addr());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.encoded.clone());
        }
        let encoded = encode_one(kind, index, value)?;
        let known = Known {
            value: Arc::downgrade(value),
            encoded: encoded.clone(),
        };
        self.tidy();
        self.known.insert(key, known);
        Ok(encoded)
    }

    fn tidy(&mut self) {
        if self.known.len() < self.limit.max(LEAST) {
            return;
        }
        self.known.retain(|_, known| known.value.strong_count() > 0);
        self.limit = 2 * self.known.len();
    }
}

fn encode_one(kind: ResourceType, index: usize, value: &Value) -> Result<Encoded, EncodeError> {
    let field = kind.name_field();
    let Some(name) = value
        .get(field)
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
    else {
        let path = format!("{}[{index}]", kind.plural());
        return Err(EncodeError {
            path,
            problem: format!("{field} is missing or empty"),
        });
    };
    let bytes = encode::resource(kind.message(), value).map_err(|fault| {
        let (path, problem) = fault.locate(format!("{}[{name}]", kind.plural()));
        EncodeError { path, problem }
    })?;
    Ok((name.into(), bytes.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_resource_is_encoded_once_and_forgotten_with_its_last_owner() {
        let mut cache = Cache::default();
        let value = Arc::new(json!({"name": "a"}));
        let mut encode =
            |value: &Arc<Value>| cache.encode(ResourceType::Cluster, 0, value).unwrap();
        let (first, again) = (encode(&value).1, encode(&value).1);
        assert_eq!(first.as_ptr(), again.as_ptr());
        for index in 0..3 * LEAST {
            encode(&Arc::new(json!({"name": index.to_string()})));
        }
        assert!(cache.known.len() <= 2 * LEAST, "{}", cache.known.len());
        let still = cache.encode(ResourceType::Cluster, 0, &value).unwrap();
        assert_eq!(first.as_ptr(), still.1.as_ptr());
    }
}
