//! The road of a write that comes through the API: decode checks, defaults, owners,
//! admission, validation, store.

use std::sync::Arc;

use serde_json::Value;

use super::local::{check_revision, put_if_changed};
use super::{defaults, names, prepare, schema, validate};
use crate::fields::{self, Writer};
use crate::hooks::{AdmissionRequest, Operation, Warnings};
use crate::kinds::{Kind, KindInfo};
use crate::object::{self, metadata_mut};
use crate::patch::{self, PatchBody};
use crate::server::ApiServer;
use crate::status::{Cause, StatusError};
use crate::store::{Change, Written};

pub(crate) use super::schema::Validation;

/// Attempts of a patch against concurrent writers before giving up with a conflict.
const ATTEMPTS: usize = 20;

/// Who writes what, and how.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub kind: Kind,
    /// `apiVersion` of the request's path.
    pub api_version: String,
    pub namespace: String,
    /// Empty on creation.
    pub name: String,
    /// Empty for the object itself.
    pub subresource: String,
    pub manager: String,
    pub validation: Validation,
    pub dry_run: bool,
    /// Paths of members that the body named more than once.
    pub duplicates: Vec<String>,
}

/// What a write gave.
pub(crate) struct Outcome {
    pub object: Arc<Value>,
    pub warnings: Warnings,
    /// It did not exist before.
    pub created: bool,
}

impl Write {
    fn info(&self) -> &'static KindInfo {
        self.kind.info()
    }

    fn writer(&self) -> Writer<'_> {
        Writer {
            manager: &self.manager,
            api_version: &self.api_version,
            subresource: &self.subresource,
        }
    }

    fn missing(&self) -> StatusError {
        StatusError::not_found(self.info().group, self.info().plural, &self.name)
    }
}

impl ApiServer {
    /// Creates an object as a client would, with admission and defaults; for controllers whose
    /// objects must be admitted (pods of a ReplicaSet). `manager` becomes the fields' owner.
    pub fn create_admitted(
        &self,
        kind: Kind,
        object: Value,
        manager: &str,
    ) -> Result<Arc<Value>, StatusError> {
        let write = Write {
            kind,
            api_version: kind.info().api_version(),
            namespace: object::namespace(&object).to_owned(),
            name: String::new(),
            subresource: String::new(),
            manager: manager.to_owned(),
            validation: Validation::Ignore,
            dry_run: false,
            duplicates: Vec::new(),
        };
        self.create(&write, object).map(|outcome| outcome.object)
    }

    pub(crate) fn create(&self, write: &Write, mut object: Value) -> Result<Outcome, StatusError> {
        let info = write.info();
        check_identity(write, &object)?;
        let mut warnings = schema::check(write, &mut object)?;
        prepare::normalise(info, &write.namespace, &mut object);
        metadata_mut(&mut object).shift_remove("managedFields");
        prepare::default(info, &mut object);
        fields::record_update(info, write.writer(), None, &mut object);
        prepare::generate_name(info, &mut object)?;
        self.finish_create(write, object, &mut warnings)
    }

    fn finish_create(
        &self,
        write: &Write,
        mut object: Value,
        warnings: &mut Warnings,
    ) -> Result<Outcome, StatusError> {
        let info = write.info();
        self.check_namespace(write, object::name(&object))?;
        if write.kind == Kind::Pod {
            defaults::admit_pod(&mut object)?;
        }
        warnings.extend(self.admit(write, Operation::Create, &mut object, None)?);
        names::check(info, &object)?;
        validate::create(info, &object)?;
        prepare::finish_create(info, &mut object, self.store.addresses())?;
        let object = if write.dry_run {
            let name = object::name(&object);
            if self.store.get(write.kind, &write.namespace, name).is_some() {
                return Err(StatusError::already_exists(info.group, info.plural, name));
            }
            Arc::new(object)
        } else {
            self.store.insert_new(write.kind, object)?
        };
        Ok(Outcome {
            object,
            warnings: std::mem::take(warnings),
            created: true,
        })
    }

    /// PUT.
    pub(crate) fn replace(&self, write: &Write, object: Value) -> Result<Outcome, StatusError> {
        let info = write.info();
        check_identity(write, &object)?;
        let expected = object::revision(&object).to_owned();
        if info.is_custom()
            && expected.is_empty()
            && self
                .store
                .get(write.kind, &write.namespace, &write.name)
                .is_some()
        {
            let cause = Cause::invalid(
                "metadata.resourceVersion",
                &Value::from(0),
                "must be specified for an update",
            );
            let mut error = StatusError::invalid(info.group, info.plural, &write.name, &[cause]);
            error.code = 422;
            return Err(error);
        }
        self.change(write, |old| {
            check_revision(write.kind, &write.name, &expected, old)?;
            check_uid(info, &object, old)?;
            Ok((object.clone(), true))
        })
    }

    /// PATCH. An apply creates what is missing.
    pub(crate) fn patch(
        &self,
        write: &Write,
        patch: &PatchBody,
        force: bool,
    ) -> Result<Outcome, StatusError> {
        if let PatchBody::Apply(configuration) = patch {
            return self.apply(write, configuration, force);
        }
        self.change(write, |old| {
            let mut object = shown_as(old, &write.api_version);
            let expected = patched_revision(patch);
            check_revision(write.kind, &write.name, &expected, old)?;
            patch::apply(write.kind, patch, &mut object)?;
            check_identity(write, &object)?;
            Ok((object, true))
        })
    }

    fn apply(
        &self,
        write: &Write,
        configuration: &Value,
        force: bool,
    ) -> Result<Outcome, StatusError> {
        let info = write.info();
        check_identity(write, configuration)?;
        if object::at(configuration, &["metadata", "managedFields"])
            .is_some_and(|fields| !fields.is_null())
        {
            return Err(StatusError::bad_request(
                "metadata.managedFields must be nil",
            ));
        }
        let mut configuration = configuration.clone();
        schema::check_applied(info, &write.name, &configuration)?;
        prepare::normalise(info, &write.namespace, &mut configuration);
        metadata_mut(&mut configuration).insert("name".into(), write.name.clone().into());
        if self
            .store
            .get(write.kind, &write.namespace, &write.name)
            .is_none()
        {
            if !write.subresource.is_empty() {
                return Err(write.missing());
            }
            let mut object =
                fields::apply(info, write.writer(), None, &configuration, force)?.object;
            prepare::default(info, &mut object);
            return self.finish_create(write, object, &mut Warnings::new());
        }
        self.change(write, |old| {
            check_revision(
                write.kind,
                &write.name,
                object::revision(&configuration),
                old,
            )?;
            let applied = fields::apply(info, write.writer(), Some(old), &configuration, force)?;
            Ok((applied.object, false))
        })
    }

    /// Changes an existing object. `next` gives the new object and whether owners are still to
    /// be recorded; it is called again when another writer was quicker.
    pub(crate) fn change(
        &self,
        write: &Write,
        next: impl Fn(&Value) -> Result<(Value, bool), StatusError>,
    ) -> Result<Outcome, StatusError> {
        for _ in 0..ATTEMPTS {
            let old = self
                .store
                .get(write.kind, &write.namespace, &write.name)
                .ok_or_else(|| write.missing())?;
            let (object, record) = next(&old)?;
            let mut warnings = Warnings::new();
            let object = self.finish_change(write, object, &old, record, &mut warnings)?;
            if write.dry_run {
                return Ok(Outcome {
                    object: Arc::new(object),
                    warnings,
                    created: false,
                });
            }
            if let Some(object) = self.store_if_current(write, object, &old)? {
                return Ok(Outcome {
                    object,
                    warnings,
                    created: false,
                });
            }
        }
        let why = "the object keeps being modified by others; please try again";
        Err(StatusError::conflict(
            write.info().group,
            write.info().plural,
            &write.name,
            why,
        ))
    }

    fn finish_change(
        &self,
        write: &Write,
        mut object: Value,
        old: &Value,
        record: bool,
        warnings: &mut Warnings,
    ) -> Result<Value, StatusError> {
        let info = write.info();
        if record {
            warnings.extend(schema::check(write, &mut object)?);
        }
        let fields = object["metadata"].get("managedFields").cloned();
        prepare::normalise(info, &write.namespace, &mut object);
        let mut object = if write.subresource == "status" {
            super::status_part::graft(&object, old)
        } else {
            object
        };
        prepare::default(info, &mut object);
        if record {
            carry_owners(&mut object, old);
            fields::record_update(info, write.writer(), Some(old), &mut object);
        } else if let Some(fields) = fields {
            metadata_mut(&mut object).insert("managedFields".into(), fields);
        }
        let operation = if write.subresource == "status" {
            Operation::UpdateStatus
        } else {
            Operation::Update
        };
        warnings.extend(self.admit(write, operation, &mut object, Some(old))?);
        if operation == Operation::Update {
            prepare::finish_update(info, &mut object, old, self.store.addresses())?;
            validate::update(info, &object, old)?;
        } else {
            prepare::keep_fixed(&mut object, old);
        }
        if same_but_for_times(&object, old) {
            return Ok(old.clone());
        }
        Ok(object)
    }

    /// `None`: another writer was quicker.
    fn store_if_current(
        &self,
        write: &Write,
        object: Value,
        old: &Arc<Value>,
    ) -> Result<Option<Arc<Value>>, StatusError> {
        let mut stale = false;
        let written =
            self.store
                .write(write.kind, &write.namespace, &write.name, |current, _| {
                    if current.is_some_and(|current| Arc::ptr_eq(current, old)) {
                        Ok(put_if_changed(write.kind, object, old))
                    } else {
                        stale = true;
                        Ok(Change::Keep)
                    }
                })?;
        match written {
            Written::Unchanged(_) if stale => Ok(None),
            written => Ok(written.into_object()),
        }
    }

    pub(crate) fn admit(
        &self,
        write: &Write,
        operation: Operation,
        object: &mut Value,
        old: Option<&Value>,
    ) -> Result<Warnings, StatusError> {
        self.hooks.admission.admit(AdmissionRequest {
            operation,
            kind: write.kind,
            api_version: &write.api_version,
            namespace: &write.namespace,
            object,
            old,
            dry_run: write.dry_run,
        })
    }

    /// The namespace exists and is not going away.
    fn check_namespace(&self, write: &Write, name: &str) -> Result<(), StatusError> {
        let info = write.info();
        if !info.namespaced {
            return Ok(());
        }
        let namespace = self.store.get(Kind::Namespace, "", &write.namespace);
        let namespace =
            namespace.ok_or_else(|| StatusError::not_found("", "namespaces", &write.namespace))?;
        if !object::is_deleting(&namespace) {
            return Ok(());
        }
        let space = &write.namespace;
        let why = format!(
            "unable to create new content in namespace {space} because it is being terminated"
        );
        let mut error = StatusError::forbidden(info.group, info.plural, name, &why);
        if let Some(details) = error.details.as_mut() {
            details.insert(
                "causes".into(),
                serde_json::json!([{
                    "reason": "NamespaceTerminating",
                    "message": format!("namespace {space} is being terminated"),
                    "field": "metadata.namespace",
                }]),
            );
        }
        Err(error)
    }
}

/// `apiVersion`, `kind`, name and namespace of a body fit the path.
fn check_identity(write: &Write, object: &Value) -> Result<(), StatusError> {
    let info = write.info();
    let (version, kind) = (
        object::text(object, &["apiVersion"]),
        object::text(object, &["kind"]),
    );
    if !kind.is_empty() && kind != info.name {
        return Err(StatusError::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {}: the kind does not belong to this path",
            short_version(version),
            info.name
        )));
    }
    if !version.is_empty() && version != write.api_version {
        return Err(StatusError::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({})",
            write.api_version
        )));
    }
    let (namespace, name) = (object::namespace(object), object::name(object));
    if info.namespaced && !namespace.is_empty() && namespace != write.namespace {
        let message =
            "the namespace of the provided object does not match the namespace sent on the request";
        return Err(StatusError::bad_request(message));
    }
    if !write.name.is_empty() && !name.is_empty() && name != write.name {
        return Err(StatusError::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            write.name
        )));
    }
    Ok(())
}

fn short_version(version: &str) -> &str {
    version
        .rsplit_once('/')
        .map_or(version, |(_, version)| version)
}

fn check_uid(info: &KindInfo, object: &Value, old: &Value) -> Result<(), StatusError> {
    let (given, stored) = (object::uid(object), object::uid(old));
    if given.is_empty() || given == stored {
        return Ok(());
    }
    let why =
        format!("Precondition failed: UID in precondition: {given}, UID in object meta: {stored}");
    Err(StatusError::conflict(
        info.group,
        info.plural,
        object::name(old),
        &why,
    ))
}

/// A stored object in another served version: Istio's versions differ in name alone.
fn shown_as(object: &Value, api_version: &str) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = api_version.into();
    object
}

/// A revision that a merge patch asks for.
fn patched_revision(patch: &PatchBody) -> String {
    match patch {
        PatchBody::Merge(patch) | PatchBody::Strategic(patch) => object::revision(patch).to_owned(),
        _ => String::new(),
    }
}

fn carry_owners(object: &mut Value, old: &Value) {
    match old["metadata"].get("managedFields") {
        Some(fields) => metadata_mut(object).insert("managedFields".into(), fields.clone()),
        None => metadata_mut(object).shift_remove("managedFields"),
    };
}

/// Equal, not counting when owners last wrote.
fn same_but_for_times(object: &Value, old: &Value) -> bool {
    let plain = |object: &Value| {
        let mut object = object.clone();
        let metadata = metadata_mut(&mut object);
        metadata.shift_remove("resourceVersion");
        for entry in metadata
            .get_mut("managedFields")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(entry) = entry.as_object_mut() {
                entry.shift_remove("time");
            }
        }
        object
    };
    plain(object) == plain(old)
}
