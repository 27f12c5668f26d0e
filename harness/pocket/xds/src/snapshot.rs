//! What a proxy is to have, as JSON and as encoded resources.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use serde_json::Value;

use crate::{cache::Cache, status::ResourceType};

/// Everything one proxy is to have: Envoy's JSON with proto field names. A resource that is the same `Arc`
/// as before, or as another proxy's, is encoded only once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// `envoy.config.listener.v3.Listener`
    pub listeners: Vec<Arc<Value>>,
    /// `envoy.config.cluster.v3.Cluster`
    pub clusters: Vec<Arc<Value>>,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`
    pub endpoints: Vec<Arc<Value>>,
    /// `envoy.extensions.transport_sockets.tls.v3.Secret`
    pub secrets: Vec<Arc<Value>>,
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

/// The encoded resources of one type, by name.
type ByName<T> = BTreeMap<Arc<str>, T>;

/// The encoded resources of one proxy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resources {
    pub(crate) version: Version,
    pub(crate) types: [ByName<Resource>; 4],
    /// What they were encoded from.
    values: [Vec<Arc<Value>>; 4],
    /// Clusters that are no more, with the snapshot that ended them: listeners of the proxy may still
    /// name them.
    pub(crate) retired: ByName<Resource>,
    /// Their last endpoints: a proxy that has not seen the last content of such a cluster builds it anew, and waits
    /// for these.
    pub(crate) retired_endpoints: ByName<Resource>,
}

/// The types of a snapshot that are not what a proxy has, encoded, not yet numbered.
pub(crate) type Encoded = [Option<ByName<Bytes>>; 4];

impl Snapshot {
    fn of(&self, kind: ResourceType) -> &[Arc<Value>] {
        match kind {
            ResourceType::Cluster => &self.clusters,
            ResourceType::Endpoint => &self.endpoints,
            ResourceType::Listener => &self.listeners,
            ResourceType::Secret => &self.secrets,
        }
    }
}

impl Resources {
    /// Encodes what is not the very thing that the proxy has; names must be there and be unique.
    pub(crate) fn encode(
        &self,
        snapshot: &Snapshot,
        cache: &mut Cache,
    ) -> Result<Encoded, EncodeError> {
        let mut encoded = Encoded::default();
        for kind in ResourceType::ALL {
            let (index, values) = (kind.index(), snapshot.of(kind));
            if self.version.types[index] == 0 || !is_same(&self.values[index], values) {
                encoded[index] = Some(encode_all(kind, values, cache)?);
            }
        }
        Ok(encoded)
    }

    /// Takes over a new snapshot; resources with equal bytes keep their number.
    pub(crate) fn replace(&mut self, snapshot: &Snapshot, encoded: Encoded) -> Version {
        if encoded.iter().all(Option::is_none) {
            return self.version;
        }
        let number = self.version.snapshot + 1;
        self.version.snapshot = number;
        for (kind, new) in ResourceType::ALL.into_iter().zip(encoded) {
            let Some(new) = new else { continue };
            self.values[kind.index()] = snapshot.of(kind).to_vec();
            let old = std::mem::take(&mut self.types[kind.index()]);
            match kind {
                ResourceType::Cluster => self.retire(&old, &new, number),
                ResourceType::Endpoint => self.retire_endpoints(&old, &new),
                ResourceType::Listener | ResourceType::Secret => {}
            }
            let same = old.len() == new.len()
                && new
                    .iter()
                    .all(|(name, bytes)| old.get(name).is_some_and(|had| had.bytes == *bytes));
            if !same || self.version.types[kind.index()] == 0 {
                self.version.types[kind.index()] = number;
            }
            self.types[kind.index()] = numbered(&old, new, number);
        }
        self.version
    }

    fn retire(&mut self, old: &ByName<Resource>, new: &ByName<Bytes>, snapshot: u64) {
        self.retired.retain(|name, _| !new.contains_key(name));
        for (name, had) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
            let bytes = had.bytes.clone();
            let changed = snapshot;
            self.retired
                .insert(name.clone(), Resource { bytes, changed });
        }
    }

    /// After the clusters, by whose names endpoints are called.
    fn retire_endpoints(&mut self, old: &ByName<Resource>, new: &ByName<Bytes>) {
        let ended = |name: &Arc<str>| !new.contains_key(name) && self.retired.contains_key(name);
        self.retired_endpoints.retain(|name, _| ended(name));
        let old = old.iter().filter(|(name, _)| ended(name));
        self.retired_endpoints
            .extend(old.map(|(name, had)| (name.clone(), had.clone())));
    }

    /// The resources of a type that a proxy may ask for by name.
    pub(crate) fn named(&self, kind: ResourceType) -> impl Iterator<Item = (&Arc<str>, &Resource)> {
        let retired = Some(&self.retired_endpoints).filter(|_| kind == ResourceType::Endpoint);
        self.types[kind.index()]
            .iter()
            .chain(retired.into_iter().flatten())
    }

    /// Whether there is one of this name.
    pub(crate) fn has(&self, kind: ResourceType, name: &str) -> bool {
        let retired = kind == ResourceType::Endpoint && self.retired_endpoints.contains_key(name);
        retired || self.types[kind.index()].contains_key(name)
    }

    /// Forgets the clusters that a proxy with all of `version` no longer has.
    pub(crate) fn forget_retired(&mut self, version: u64) {
        self.retired.retain(|_, ended| ended.changed > version);
        let retired = &self.retired;
        self.retired_endpoints
            .retain(|name, _| retired.contains_key(name));
    }
}

fn is_same(old: &[Arc<Value>], new: &[Arc<Value>]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(a, b)| Arc::ptr_eq(a, b))
}

fn encode_all(
    kind: ResourceType,
    values: &[Arc<Value>],
    cache: &mut Cache,
) -> Result<ByName<Bytes>, EncodeError> {
    let mut encoded = ByName::new();
    for (index, value) in values.iter().enumerate() {
        let (name, bytes) = cache.encode(kind, index, value)?;
        if encoded.insert(Arc::clone(&name), bytes).is_some() {
            return Err(EncodeError {
                path: format!("{}[{name}]", kind.plural()),
                problem: "this name occurs twice".to_owned(),
            });
        }
    }
    Ok(encoded)
}

fn numbered(old: &ByName<Resource>, new: ByName<Bytes>, snapshot: u64) -> ByName<Resource> {
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
            json!({"name": "a", "connect_timeout": timeout}).into(),
            json!({"name": "b"}).into(),
        ];
        Snapshot {
            clusters,
            ..Snapshot::default()
        }
    }

    fn set(resources: &mut Resources, snapshot: &Snapshot) -> Version {
        let encoded = resources.encode(snapshot, &mut Cache::default()).unwrap();
        resources.replace(snapshot, encoded)
    }

    fn refusal(snapshot: &Snapshot) -> String {
        let encoded = Resources::default().encode(snapshot, &mut Cache::default());
        encoded.unwrap_err().to_string()
    }

    #[test]
    fn only_what_changed_gets_a_new_number() {
        let mut resources = Resources::default();
        let first = set(&mut resources, &clusters("1s"));
        let same = set(&mut resources, &clusters("1s"));
        let other = set(&mut resources, &clusters("2s"));
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
    fn what_is_the_very_same_is_not_looked_at_again() {
        let mut resources = Resources::default();
        let first = clusters("1s");
        let version = set(&mut resources, &first);
        let again = resources.encode(&first, &mut Cache::default()).unwrap();
        assert!(again.iter().all(Option::is_none));
        assert_eq!(resources.replace(&first, again), version);
        let other = Snapshot {
            listeners: vec![json!({"name": "l"}).into()],
            ..first
        };
        let next = set(&mut resources, &other);
        assert_eq!((next.snapshot, next.types), (2, [1, 1, 2, 1]));
    }

    #[test]
    fn names_are_needed_and_unique() {
        let twice = Snapshot {
            clusters: vec![json!({"name": "a"}).into(), json!({"name": "a"}).into()],
            ..Snapshot::default()
        };
        assert_eq!(refusal(&twice), "clusters[a]: this name occurs twice");
        let none = Snapshot {
            endpoints: vec![json!({}).into()],
            ..Snapshot::default()
        };
        assert_eq!(
            refusal(&none),
            "endpoints[0]: cluster_name is missing or empty"
        );
    }
}
