//! DELETE of an object or of a collection.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::negotiate::{self, Format};
use super::{Call, body, read, render, writing};
use crate::hooks::Operation;
use crate::kinds::Kind;
use crate::object;
use crate::server::ApiServer;
use crate::status::StatusError;
use crate::store::{Change, Written};
use crate::write::delete::{DeleteHow, Propagation, decide};
use crate::write::pipeline::Write;

/// `meta/v1.DeleteOptions` from query and body.
struct Options {
    how: DeleteHow,
    dry_run: bool,
    uid: String,
    revision: String,
}

pub(super) async fn one(
    server: &ApiServer,
    call: Call,
    body: Body,
) -> Result<Response, StatusError> {
    let format = negotiate::format(&call.parts.headers)?;
    let write = writing::write(&call, "DeleteOptions")?;
    let bytes = body::bytes(body).await?;
    let options = options(&call, &bytes)?;
    let (object, removed) = delete(server, &call, &write, &options, call.path.object_name())?;
    if removed && !returns_object(call.path.kind) {
        return success(&call, &object);
    }
    read::show(format, StatusCode::OK, &call, &object)
}

pub(super) async fn collection(
    server: &ApiServer,
    call: Call,
    body: Body,
) -> Result<Response, StatusError> {
    let format: Format = negotiate::format(&call.parts.headers)?;
    let write = writing::write(&call, "DeleteOptions")?;
    let selector = read::selector(&call)?;
    let bytes = body::bytes(body).await?;
    let options = options(&call, &bytes)?;
    let listing = server
        .store
        .list(call.path.kind, call.path.namespace.as_deref());
    let mut items: Vec<Arc<Value>> = Vec::new();
    for item in listing.items.iter().filter(|item| selector.matches(item)) {
        match delete(server, &call, &write, &options, object::name(item)) {
            Ok((object, _)) => items.push(object),
            // Somebody else was quicker: it is gone, as asked.
            Err(error) if error.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    let metadata = json!({ "resourceVersion": server.store.revision().to_string() });
    read::show_list(format, &call, metadata, &items)
}

/// Gives the last state, and whether the object is gone.
fn delete(
    server: &ApiServer,
    call: &Call,
    write: &Write,
    options: &Options,
    name: &str,
) -> Result<(Arc<Value>, bool), StatusError> {
    let (kind, info) = (call.path.kind, call.path.kind.info());
    let missing = || StatusError::not_found(info.group, info.plural, name);
    let current = server
        .store
        .get(kind, call.path.space(), name)
        .ok_or_else(missing)?;
    let mut copy = (*current).clone();
    let write = Write {
        name: name.to_owned(),
        dry_run: options.dry_run,
        ..write.clone()
    };
    server.admit(&write, Operation::Delete, &mut copy, Some(&current))?;
    let mut would_remove = None;
    let written = server
        .store
        .write(kind, call.path.space(), name, |current, _| {
            let current = current.ok_or_else(missing)?;
            check_preconditions(call, name, options, current)?;
            let change = decide(kind, current, options.how);
            if !options.dry_run {
                return Ok(change);
            }
            would_remove = Some(matches!(change, Change::Remove(_)));
            Ok(Change::Keep)
        })?;
    let removed = would_remove.unwrap_or(matches!(written, Written::Removed(_)));
    written
        .into_object()
        .map(|object| (object, removed))
        .ok_or_else(missing)
}

/// Kinds whose deletion answers with the object, even when it is gone.
fn returns_object(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Pod
            | Kind::Service
            | Kind::ServiceAccount
            | Kind::PersistentVolumeClaim
            | Kind::Namespace
    )
}

fn success(call: &Call, object: &Value) -> Result<Response, StatusError> {
    let info = call.path.kind.info();
    let mut details =
        json!({ "name": object::name(object), "kind": info.plural, "uid": object::uid(object) });
    if !info.group.is_empty() {
        details["group"] = info.group.into();
    }
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details });
    render::json(StatusCode::OK, &status)
}

fn options(call: &Call, bytes: &[u8]) -> Result<Options, StatusError> {
    let body: Value = if bytes.is_empty() {
        json!({})
    } else {
        body::object_like(bytes)
            .map_err(|why| StatusError::bad_request(format!("reading the DeleteOptions: {why}")))?
    };
    let grace = match call.query.number::<i64>("gracePeriodSeconds")? {
        Some(seconds) => Some(seconds),
        None => body["gracePeriodSeconds"].as_i64(),
    };
    let asked = call.query.text("propagationPolicy");
    let policy = if asked.is_empty() {
        object::text(&body, &["propagationPolicy"])
    } else {
        asked
    };
    let dry_body = body["dryRun"]
        .as_array()
        .is_some_and(|values| values.iter().any(|value| value == "All"));
    Ok(Options {
        how: DeleteHow {
            grace_seconds: grace,
            propagation: propagation(policy)?,
        },
        dry_run: dry_body || call.query.dry_run("DeleteOptions")?,
        uid: object::text(&body, &["preconditions", "uid"]).to_owned(),
        revision: object::text(&body, &["preconditions", "resourceVersion"]).to_owned(),
    })
}

fn propagation(policy: &str) -> Result<Propagation, StatusError> {
    match policy {
        "" | "Background" => Ok(Propagation::Background),
        "Foreground" => Ok(Propagation::Foreground),
        "Orphan" => Ok(Propagation::Orphan),
        other => {
            let cause = crate::status::Cause::not_supported(
                "propagationPolicy",
                &json!(other).to_string(),
                &["Foreground", "Background", "Orphan", "nil"],
            );
            Err(StatusError::invalid(
                "meta.k8s.io",
                "DeleteOptions",
                "",
                &[cause],
            ))
        }
    }
}

fn check_preconditions(
    call: &Call,
    name: &str,
    options: &Options,
    current: &Value,
) -> Result<(), StatusError> {
    let info = call.path.kind.info();
    let (uid, revision) = (object::uid(current), object::revision(current));
    let refuse = |what: &str, asked: &str, stored: &str| {
        let why = format!(
            "the {what} in the precondition ({asked}) does not match the {what} in record ({stored}). The object might have \
             been deleted and then recreated"
        );
        Err(StatusError::conflict(info.group, info.name, name, &why))
    };
    if !options.uid.is_empty() && options.uid != uid {
        return refuse("UID", &options.uid, uid);
    }
    if !options.revision.is_empty() && options.revision != revision {
        return refuse("ResourceVersion", &options.revision, revision);
    }
    Ok(())
}
