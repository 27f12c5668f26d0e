//! Objects in memory: one revision counter, one ordered map per kind, a bounded history
//! that watchers read at their own pace.
//!
//! Values are shared (`Arc`), never copied for a reader. A write replaces the value, so a
//! snapshot never changes under its reader.

mod history;
mod meta;
mod watch;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

pub use self::history::{Event, EventType};
pub use self::meta::now;
pub use self::watch::{Lagged, Watch};

use self::history::History;
use crate::kinds::{KINDS, Kind};
use crate::status::StatusError;
use crate::write::defaults::Addresses;

/// Namespace (empty for cluster scope) and name.
type Key = (Box<str>, Box<str>);

struct Inner {
    revision: u64,
    objects: Vec<BTreeMap<Key, Arc<Value>>>,
    histories: Vec<History>,
}

/// The objects of one cluster. Cheap to share behind an `Arc`.
pub struct Store {
    inner: Mutex<Inner>,
    signals: watch::Signals,
    addresses: Addresses,
}

/// A page of objects and the revision it is true at.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Objects ordered by namespace and name.
    pub items: Vec<Arc<Value>>,
    /// Revision of the store when the list was taken.
    pub revision: u64,
}

/// What a change closure of [`Store::write`] decides.
pub(crate) enum Change {
    /// Nothing is stored.
    Keep,
    /// Store this object under a new revision.
    Put(Value),
    /// Remove the object; the value is its last state.
    Remove(Value),
}

/// What [`Store::write`] did.
pub(crate) enum Written {
    /// Nothing changed.
    Unchanged(Option<Arc<Value>>),
    /// Stored.
    Stored(Arc<Value>),
    /// Removed; the value is its last state.
    Removed(Arc<Value>),
}

impl Written {
    /// The object, in its last state if it was removed.
    pub(crate) fn into_object(self) -> Option<Arc<Value>> {
        match self {
            Self::Unchanged(object) => object,
            Self::Stored(object) | Self::Removed(object) => Some(object),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// An empty store.
    pub fn new() -> Self {
        let inner = Inner {
            revision: 1,
            objects: KINDS.iter().map(|_| BTreeMap::new()).collect(),
            histories: KINDS.iter().map(|_| History::new(1)).collect(),
        };
        Self {
            inner: Mutex::new(inner),
            signals: watch::Signals::new(),
            addresses: Addresses::default(),
        }
    }

    /// Where Services get their addresses and node ports from.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The object's current value. `namespace` is empty for cluster-scoped kinds.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.lock().objects[kind as usize]
            .get(&key(namespace, name))
            .cloned()
    }

    /// All objects of a kind, in all namespaces, ordered by namespace and name.
    pub fn snapshot(&self, kind: Kind) -> Vec<Arc<Value>> {
        self.lock().objects[kind as usize]
            .values()
            .cloned()
            .collect()
    }

    /// The objects of a kind in one namespace, or in all for `None`, with the revision.
    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> Listing {
        let inner = self.lock();
        Listing {
            items: inner.select(kind, namespace),
            revision: inner.revision,
        }
    }

    /// The current revision.
    pub fn revision(&self) -> u64 {
        self.lock().revision
    }

    /// A watch of `kinds` and what there is at its start: exactly the objects, and then
    /// exactly the changes after them.
    pub fn list_and_watch(self: &Arc<Self>, kinds: &[Kind]) -> (Vec<(Kind, Arc<Value>)>, Watch) {
        let inner = self.lock();
        let objects = kinds
            .iter()
            .flat_map(|&kind| {
                inner.objects[kind as usize]
                    .values()
                    .map(move |object| (kind, Arc::clone(object)))
            })
            .collect();
        let revision = inner.revision;
        drop(inner);
        (objects, Watch::new(Arc::clone(self), kinds, revision))
    }

    /// The changes of `kinds` after `revision`. A revision that is no longer in the history
    /// shows as [`Lagged`] on the first read.
    pub fn watch(self: &Arc<Self>, kinds: &[Kind], revision: u64) -> Watch {
        Watch::new(Arc::clone(self), kinds, revision)
    }

    /// Reads and replaces one object under the lock: `decide` sees the current value and the
    /// revision that a write would get.
    pub(crate) fn write(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        decide: impl FnOnce(Option<&Arc<Value>>, u64) -> Result<Change, StatusError>,
    ) -> Result<Written, StatusError> {
        let mut inner = self.lock();
        let key = key(namespace, name);
        let current = inner.objects[kind as usize].get(&key).cloned();
        let revision = inner.revision + 1;
        let written = match decide(current.as_ref(), revision)? {
            Change::Keep => return Ok(Written::Unchanged(current)),
            Change::Put(object) => Written::Stored(inner.put(kind, key, object, current)),
            Change::Remove(object) => match current {
                Some(current) => Written::Removed(inner.remove(kind, &key, object, current)),
                None => return Ok(Written::Unchanged(None)),
            },
        };
        drop(inner);
        self.signals.announce(kind, revision);
        Ok(written)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic under the lock leaves whole values behind: each step is one map operation.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn select(&self, kind: Kind, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let objects = &self.objects[kind as usize];
        let Some(namespace) = namespace else {
            return objects.values().cloned().collect();
        };
        let from = Bound::Included(key(namespace, ""));
        objects
            .range((from, Bound::Unbounded))
            .take_while(|((space, _), _)| **space == *namespace)
            .map(|(_, object)| Arc::clone(object))
            .collect()
    }

    fn put(
        &mut self,
        kind: Kind,
        key: Key,
        object: Value,
        previous: Option<Arc<Value>>,
    ) -> Arc<Value> {
        let object = self.stamp(object);
        self.objects[kind as usize].insert(key, Arc::clone(&object));
        let event_type = if previous.is_some() {
            EventType::Modified
        } else {
            EventType::Added
        };
        self.record(kind, event_type, Arc::clone(&object), previous);
        object
    }

    fn remove(&mut self, kind: Kind, key: &Key, object: Value, previous: Arc<Value>) -> Arc<Value> {
        let object = self.stamp(object);
        self.objects[kind as usize].remove(key);
        // Watchers see what was stored last, at the revision of the deletion.
        let mut last = (*previous).clone();
        meta::set_revision(&mut last, self.revision);
        self.record(kind, EventType::Deleted, Arc::new(last), Some(previous));
        object
    }

    fn stamp(&mut self, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        meta::set_revision(&mut object, self.revision);
        Arc::new(object)
    }

    fn record(
        &mut self,
        kind: Kind,
        event_type: EventType,
        object: Arc<Value>,
        previous: Option<Arc<Value>>,
    ) {
        let event = Event {
            kind,
            event_type,
            object,
            previous,
            revision: self.revision,
        };
        self.histories[kind as usize].push(event);
    }
}

fn key(namespace: &str, name: &str) -> Key {
    (namespace.into(), name.into())
}
