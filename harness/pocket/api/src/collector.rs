//! The garbage collector: dependents whose owners are gone, and namespaces that are going.
//!
//! It follows every kind through one watch, so that nothing is polled.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use crate::kinds::Kind;
use crate::object::{self, metadata_mut};
use crate::server::ApiServer;
use crate::status::StatusError;
use crate::store::{Change, Store};
use crate::write::delete::{DeleteHow, after_update};

/// Finalizers by which a deletion asks for its dependents' treatment.
const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

impl ApiServer {
    /// Removes dependents of objects that are gone, and the content of namespaces that are
    /// going, for as long as it is polled: spawn it beside the server. Without it namespaces
    /// stay `Terminating`.
    pub async fn collect_garbage(self) {
        let kinds: Vec<Kind> = Kind::all().collect();
        loop {
            let (objects, mut watch) = self.store.list_and_watch(&kinds);
            for (kind, object) in &objects {
                collect(&self.store, *kind, object, false);
            }
            drop(objects);
            // Falling out of the history means starting from what there is.
            while let Ok(event) = watch.next().await {
                let gone = event.event_type == crate::store::EventType::Deleted;
                collect(&self.store, event.kind, &event.object, gone);
            }
        }
    }

    /// Sets a namespace's `spec.finalizers`; without any, and with its content gone, it goes.
    pub(crate) fn finalize_namespace(
        &self,
        name: &str,
        finalizers: &Value,
    ) -> Result<Arc<Value>, StatusError> {
        finalize(&self.store, name, finalizers)
    }
}

fn finalize(store: &Store, name: &str, finalizers: &Value) -> Result<Arc<Value>, StatusError> {
    let missing = || StatusError::not_found("", "namespaces", name);
    let written = store.write(Kind::Namespace, "", name, |current, _| {
        let mut object = (**current.ok_or_else(missing)?).clone();
        let empty = finalizers.as_array().is_none_or(Vec::is_empty);
        if empty {
            object["spec"] = serde_json::json!({});
        } else {
            object["spec"]["finalizers"] = finalizers.clone();
        }
        let goes = empty && object::is_deleting(&object) && !object::has_finalizers(&object);
        Ok(if goes {
            Change::Remove(object)
        } else {
            Change::Put(object)
        })
    })?;
    written.into_object().ok_or_else(missing)
}

/// Does what the new state of one object asks for.
fn collect(store: &Store, kind: Kind, object: &Value, gone: bool) {
    let space = object::namespace(object);
    if gone {
        remove_dependents(store, object);
        finish_owners(store, object);
        finish_namespace(store, space);
        return;
    }
    if kind == Kind::Namespace && object::is_deleting(object) {
        empty_namespace(store, object::name(object));
        finish_namespace(store, object::name(object));
    }
    if object::is_deleting(object) {
        release(store, kind, object);
    } else if !owners(object).is_empty() && !has_living_owner(store, object) {
        delete(store, kind, object);
    }
}

/// Deletes; an object that is gone already is what was wanted.
fn delete(store: &Store, kind: Kind, object: &Value) {
    let _gone = store.delete(
        kind,
        object::namespace(object),
        object::name(object),
        DeleteHow::default(),
    );
}

fn empty_namespace(store: &Store, name: &str) {
    for kind in Kind::all().filter(|kind| kind.info().namespaced) {
        for object in store.list(kind, Some(name)).items {
            if !object::is_deleting(&object) {
                delete(store, kind, &object);
            }
        }
    }
}

fn finish_namespace(store: &Store, name: &str) {
    if name.is_empty() {
        return;
    }
    let going = store
        .get(Kind::Namespace, "", name)
        .is_some_and(|namespace| object::is_deleting(&namespace));
    let empty = || {
        let mut kinds = Kind::all().filter(|kind| kind.info().namespaced);
        kinds.all(|kind| store.list(kind, Some(name)).items.is_empty())
    };
    if going && empty() {
        // Only a namespace that is gone already is refused.
        let _gone = finalize(store, name, &Value::Null);
    }
}

struct Owner {
    kind: Option<Kind>,
    name: String,
    uid: String,
    blocks: bool,
}

fn owners(object: &Value) -> Vec<Owner> {
    let references = object::at(object, &["metadata", "ownerReferences"]).and_then(Value::as_array);
    references
        .into_iter()
        .flatten()
        .map(|reference| Owner {
            kind: Kind::of(
                object::text(reference, &["apiVersion"]),
                object::text(reference, &["kind"]),
            ),
            name: object::text(reference, &["name"]).to_owned(),
            uid: object::text(reference, &["uid"]).to_owned(),
            blocks: reference["blockOwnerDeletion"] == true,
        })
        .collect()
}

fn find_owner(store: &Store, namespace: &str, owner: &Owner) -> Option<(Kind, Arc<Value>)> {
    let kind = owner.kind?;
    let space = if kind.info().namespaced {
        namespace
    } else {
        ""
    };
    let found = store.get(kind, space, &owner.name)?;
    (object::uid(&found) == owner.uid).then_some((kind, found))
}

/// An owner of a kind that is not served counts as living: nothing is deleted on a guess.
fn has_living_owner(store: &Store, object: &Value) -> bool {
    let space = object::namespace(object);
    owners(object)
        .iter()
        .any(|owner| owner.kind.is_none() || find_owner(store, space, owner).is_some())
}

/// Every object that names `uid` as an owner.
fn dependents(store: &Store, owner: &Value) -> Vec<(Kind, Arc<Value>)> {
    let uid = object::uid(owner);
    let space = Some(object::namespace(owner)).filter(|space| !space.is_empty());
    let mut found = Vec::new();
    for kind in Kind::all() {
        let scope = if kind.info().namespaced { space } else { None };
        let items = store.list(kind, scope).items;
        found.extend(
            items
                .into_iter()
                .filter(|item| owners(item).iter().any(|o| o.uid == uid))
                .map(|item| (kind, item)),
        );
    }
    found
}

fn remove_dependents(store: &Store, owner: &Value) {
    for (kind, dependent) in dependents(store, owner) {
        if !has_living_owner(store, &dependent) {
            delete(store, kind, &dependent);
        }
    }
}

/// An owner in foreground deletion goes with its last blocking dependent.
fn finish_owners(store: &Store, gone: &Value) {
    for owner in owners(gone).iter().filter(|owner| owner.blocks) {
        if let Some((kind, owner)) = find_owner(store, object::namespace(gone), owner) {
            release(store, kind, &owner);
        }
    }
}

/// Works off `foregroundDeletion` and `orphan` of an object that is being deleted.
fn release(store: &Store, kind: Kind, object: &Value) {
    let finalizers: HashSet<&str> = object::at(object, &["metadata", "finalizers"])
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if finalizers.contains(ORPHAN) {
        orphan_dependents(store, object);
        drop_finalizer(store, kind, object, ORPHAN);
    } else if finalizers.contains(FOREGROUND) {
        let left = dependents(store, object);
        for (kind, dependent) in left
            .iter()
            .filter(|(_, dependent)| !object::is_deleting(dependent))
        {
            delete(store, *kind, dependent);
        }
        let uid = object::uid(object);
        let blocking = dependents(store, object)
            .iter()
            .any(|(_, d)| owners(d).iter().any(|o| o.uid == uid && o.blocks));
        if !blocking {
            drop_finalizer(store, kind, object, FOREGROUND);
        }
    }
}

fn orphan_dependents(store: &Store, owner: &Value) {
    let uid = object::uid(owner).to_owned();
    for (kind, dependent) in dependents(store, owner) {
        change_metadata(store, kind, &dependent, |metadata| {
            if let Some(references) = metadata
                .get_mut("ownerReferences")
                .and_then(Value::as_array_mut)
            {
                references.retain(|reference| reference["uid"] != *uid);
            }
        });
    }
}

fn drop_finalizer(store: &Store, kind: Kind, object: &Value, finalizer: &str) {
    change_metadata(store, kind, object, |metadata| {
        if let Some(list) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) {
            list.retain(|entry| entry != finalizer);
        }
    });
}

fn change_metadata(
    store: &Store,
    kind: Kind,
    object: &Value,
    change: impl FnOnce(&mut serde_json::Map<String, Value>),
) {
    let uid = object::uid(object);
    // An object that is gone, or another one of its name, needs no change; nothing is refused.
    let _written = store.write(
        kind,
        object::namespace(object),
        object::name(object),
        |current, _| {
            let Some(current) = current.filter(|current| object::uid(current) == uid) else {
                return Ok(Change::Keep);
            };
            let mut object = (**current).clone();
            let metadata = metadata_mut(&mut object);
            change(metadata);
            for key in ["finalizers", "ownerReferences"] {
                if metadata
                    .get(key)
                    .and_then(Value::as_array)
                    .is_some_and(Vec::is_empty)
                {
                    metadata.shift_remove(key);
                }
            }
            if object == **current {
                Ok(Change::Keep)
            } else {
                Ok(after_update(kind, object))
            }
        },
    );
}
