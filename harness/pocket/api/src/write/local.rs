//! Writes from controllers that live in the same process: defaults and bookkeeping as for
//! everybody, but no admission, no validation and no field ownership.

use std::sync::Arc;

use serde_json::Value;

use super::delete::{self, DeleteHow};
use super::{names, prepare};
use crate::kinds::Kind;
use crate::object;
use crate::status::StatusError;
use crate::store::{Change, Store};

impl Store {
    /// Creates an object; `metadata` names it (or `generateName`) and its namespace.
    /// 409 if it exists. The namespace itself is not looked up.
    pub fn create(&self, kind: Kind, mut object: Value) -> Result<Arc<Value>, StatusError> {
        let info = kind.info();
        let namespace = object::namespace(&object).to_owned();
        prepare::normalise(info, &namespace, &mut object);
        prepare::default(info, &mut object);
        prepare::generate_name(info, &mut object)?;
        names::check(info, &object)?;
        let status = object.get("status").cloned();
        prepare::finish_create(info, &mut object, self.addresses())?;
        if let Some(status) = status {
            object["status"] = status;
        }
        self.insert_new(kind, object)
    }

    /// Replaces an object's metadata and spec; `status` and identity stay. A
    /// `metadata.resourceVersion` that is not the stored one is a 409.
    pub fn update(&self, kind: Kind, object: Value) -> Result<Arc<Value>, StatusError> {
        let info = kind.info();
        let (namespace, name) = (
            object::namespace(&object).to_owned(),
            object::name(&object).to_owned(),
        );
        let expected = object::revision(&object).to_owned();
        let written = self.write(kind, &namespace, &name, |current, _| {
            let old =
                current.ok_or_else(|| StatusError::not_found(info.group, info.plural, &name))?;
            check_revision(kind, &name, &expected, old)?;
            let mut object = object;
            prepare::normalise(info, &namespace, &mut object);
            prepare::default(info, &mut object);
            prepare::finish_update(info, &mut object, old, self.addresses())?;
            Ok(put_if_changed(kind, object, old))
        })?;
        written
            .into_object()
            .ok_or_else(|| StatusError::not_found(info.group, info.plural, &name))
    }

    /// Changes an object in place, whatever its revision, `status` included. The closure must be
    /// quick: the store is locked. `generation` counts changes outside metadata and status.
    pub fn modify(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Arc<Value>, StatusError> {
        let info = kind.info();
        let written = self.write(kind, namespace, name, |current, _| {
            let old =
                current.ok_or_else(|| StatusError::not_found(info.group, info.plural, name))?;
            let mut object = (**old).clone();
            change(&mut object);
            let status = object.get("status").cloned();
            prepare::finish_update(info, &mut object, old, self.addresses())?;
            if let Some(status) = status {
                object["status"] = status;
            }
            Ok(put_if_changed(kind, object, old))
        })?;
        written
            .into_object()
            .ok_or_else(|| StatusError::not_found(info.group, info.plural, name))
    }

    /// Merges `patch` (RFC 7386) into `status`.
    pub fn patch_status(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Arc<Value>, StatusError> {
        self.modify(kind, namespace, name, |object| {
            if object.get("status").is_none() {
                object["status"] = Value::Object(serde_json::Map::new());
            }
            json_patch::merge(&mut object["status"], patch);
        })
    }

    /// Deletes an object: a pod with a grace period is marked first, and goes with a second
    /// deletion of grace 0; one with finalizers goes with its last finalizer; a namespace is
    /// marked. Gives the object's last state.
    pub fn delete(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        how: DeleteHow,
    ) -> Result<Arc<Value>, StatusError> {
        let info = kind.info();
        let missing = || StatusError::not_found(info.group, info.plural, name);
        let written = self.write(kind, namespace, name, |current, _| {
            current
                .map(|current| delete::decide(kind, current, how))
                .ok_or_else(missing)
        })?;
        written.into_object().ok_or_else(missing)
    }

    /// Stores a finished new object.
    pub(crate) fn insert_new(&self, kind: Kind, object: Value) -> Result<Arc<Value>, StatusError> {
        let info = kind.info();
        let (namespace, name) = (
            object::namespace(&object).to_owned(),
            object::name(&object).to_owned(),
        );
        let written = self.write(kind, &namespace, &name, |current, _| match current {
            Some(_) => Err(StatusError::already_exists(info.group, info.plural, &name)),
            None => Ok(Change::Put(object)),
        })?;
        written
            .into_object()
            .ok_or_else(|| StatusError::internal("a new object was not stored"))
    }
}

/// 409 unless `expected` is empty or the stored revision.
pub(crate) fn check_revision(
    kind: Kind,
    name: &str,
    expected: &str,
    old: &Value,
) -> Result<(), StatusError> {
    if expected.is_empty() || expected == object::revision(old) {
        return Ok(());
    }
    let info = kind.info();
    let why = "the object has been modified; please apply your changes to the latest version and try again";
    Err(StatusError::conflict(info.group, info.plural, name, why))
}

/// A write, unless nothing would change.
pub(crate) fn put_if_changed(kind: Kind, object: Value, old: &Value) -> Change {
    if prepare::is_no_change(&object, old) {
        Change::Keep
    } else {
        delete::after_update(kind, object)
    }
}
