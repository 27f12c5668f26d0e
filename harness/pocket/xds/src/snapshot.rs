//! What a proxy is to have, as JSON and as encoded resources.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde_json::Value;

use crate::{encode, status::ResourceType};

/// Everything one proxy is to have: Envoy's JSON with proto field names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// `envoy.config.listener.v3.Listener`
    pub listeners: Vec<Value>,
    /// `envoy.config.cluster.v3.Cluster`
    pub clusters: Vec<Value>,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`
    pub endpoints: Vec<Value>,
    /// `envoy.extensions.transport_sockets.tls.v3.Secret`
    pub secrets: Vec<Value>,
}

/// A resource that does not fit Envoy's API as far as this crate knows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct EncodeError {
    /// Where, for example `listeners[0.0.0.0_3306].filter_chains[0].filters[1].name`.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

/// The version of a proxy's snapshot, and which content of each type belongs to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    pub(crate) snapshot: u64,
    pub(crate) types: [u64; 4],
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.snapshot)
    }
}

/// One encoded resource and the snapshot that last changed it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resource {
    pub(crate) bytes: Bytes,
    pub(crate) changed: u64,
}

/// The encoded resources of one proxy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resources {
    pub(crate) version: Version,
    pub(crate) types: [BTreeMap<String, Resource>; 4],
}

/// The four types of a snapshot, encoded, not yet numbered.
pub(crate) type Encoded = [BTreeMap<String, Bytes>; 4];

impl Snapshot {
    fn of(&self, kind: ResourceType) -> &[Value] {
        match kind {
            ResourceType::Cluster => &self.clusters,
            ResourceType::Endpoint => &self.endpoints,
            ResourceType::Listener => &self.listeners,
            ResourceType::Secret => &self.secrets,
        }
    }

    /// Encodes every resource; names must be there and be unique.
    pub(crate) fn encode(&self) -> Result<Encoded, EncodeError> {
        let mut encoded = Encoded::default();
        for kind in ResourceType::ALL {
            for (index, value) in self.of(kind).iter().enumerate() {
                let (name, bytes) = encode_one(kind, index, value)?;
                let path = format!("{}[{name}]", kind.plural());
                if encoded[kind.index()].insert(name, bytes).is_some() {
                    return Err(EncodeError {
                        path,
                        problem: "this name occurs twice".to_owned(),
                    });
                }
            }
        }
        Ok(encoded)
    }
}

fn encode_one(
    kind: ResourceType,
    index: usize,
    value: &Value,
) -> Result<(String, Bytes), EncodeError> {
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
    Ok((name.to_owned(), bytes.into()))
}

impl Resources {
    /// Takes over a new snapshot; resources with equal bytes keep their number.
    pub(crate) fn replace(&mut self, encoded: Encoded) -> Version {
        let snapshot = self.version.snapshot + 1;
        self.version.snapshot = snapshot;
        for (kind, new) in ResourceType::ALL.into_iter().zip(encoded) {
            let old = std::mem::take(&mut self.types[kind.index()]);
            let same = old.len() == new.len()
                && new
                    .iter()
                    .all(|(name, bytes)| old.get(name).is_some_and(|had| had.bytes == *bytes));
            if !same || self.version.types[kind.index()] == 0 {
                self.version.types[kind.index()] = snapshot;
            }
            self.types[kind.index()] = number(&old, new, snapshot);
        }
        self.version
    }
}

fn number(
    old: &BTreeMap<String, Resource>,
    new: BTreeMap<String, Bytes>,
    snapshot: u64,
) -> BTreeMap<String, Resource> {
    new.into_iter()
        .map(|(name, bytes)| {
            let kept = old.get(&name).filter(|had| had.bytes == bytes);
            let changed = kept.map_or(snapshot, |had| had.changed);
            (name, Resource { bytes, changed })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn clusters(timeout: &str) -> Snapshot {
        let clusters = vec![
            json!({"name": "a", "connect_timeout": timeout}),
            json!({"name": "b"}),
        ];
        Snapshot {
            clusters,
            ..Snapshot::default()
        }
    }

    #[test]
    fn only_what_changed_gets_a_new_number() {
        let mut resources = Resources::default();
        let first = resources.replace(clusters("1s").encode().unwrap());
        let same = resources.replace(clusters("1s").encode().unwrap());
        let other = resources.replace(clusters("2s").encode().unwrap());
        assert_eq!(
            (first.types, same.types, other.types),
            ([1; 4], [1; 4], [3, 1, 1, 1])
        );
        let changed: Vec<_> = resources.types[0]
            .values()
            .map(|resource| resource.changed)
            .collect();
        assert_eq!(changed, [3, 1]);
    }

    #[test]
    fn names_are_needed_and_unique() {
        let twice = Snapshot {
            clusters: vec![json!({"name": "a"}), json!({"name": "a"})],
            ..Snapshot::default()
        };
        assert_eq!(
            twice.encode().unwrap_err().to_string(),
            "clusters[a]: this name occurs twice"
        );
        let none = Snapshot {
            endpoints: vec![json!({})],
            ..Snapshot::default()
        };
        assert_eq!(
            none.encode().unwrap_err().to_string(),
            "endpoints[0]: cluster_name is missing or empty"
        );
    }
}
