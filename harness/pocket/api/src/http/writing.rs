//! POST, PUT and PATCH.

use axum::body::Body;
use axum::response::Response;
use http::header::USER_AGENT;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::negotiate::{self, Format};
use super::{Call, body, read, render};
use crate::kinds::Kind;
use crate::object::map_mut;
use crate::patch::PatchBody;
use crate::server::ApiServer;
use crate::status::{Cause, StatusError};
use crate::write::pipeline::{Outcome, Write};

pub(super) async fn create(
    server: &ApiServer,
    call: Call,
    body: Body,
) -> Result<Response, StatusError> {
    let mut write = write(&call, "CreateOptions")?;
    let format = negotiate::format(&call.parts.headers)?;
    let media = body::media_type(&call.parts.headers);
    let bytes = body::bytes(body).await?;
    let (object, duplicates) = body::object(call.path.kind.info(), &media, &bytes)?;
    write.duplicates = duplicates;
    answer(format, &call, &server.create(&write, object)?)
}

pub(super) async fn replace(
    server: &ApiServer,
    call: Call,
    body: Body,
) -> Result<Response, StatusError> {
    let mut write = write(&call, "UpdateOptions")?;
    let format = negotiate::format(&call.parts.headers)?;
    let media = body::media_type(&call.parts.headers);
    let bytes = body::bytes(body).await?;
    let (object, duplicates) = body::object(call.path.kind.info(), &media, &bytes)?;
    write.duplicates = duplicates;
    answer(format, &call, &server.replace(&write, object)?)
}

pub(super) async fn patch(
    server: &ApiServer,
    call: Call,
    body: Body,
) -> Result<Response, StatusError> {
    let write = write(&call, "PatchOptions")?;
    let format = negotiate::format(&call.parts.headers)?;
    let media = body::media_type(&call.parts.headers);
    let bytes = body::bytes(body).await?;
    let patch = body::patch(call.path.kind.info(), &media, &bytes)?;
    let force = call.query.flag("force");
    check_apply(&call, &patch, force)?;
    answer(format, &call, &server.patch(&write, &patch, force)?)
}

/// The last word on a namespace: its `spec.finalizers`. Without any it goes.
pub(super) async fn finalize(
    server: &ApiServer,
    call: Call,
    body: Body,
) -> Result<Response, StatusError> {
    let format = negotiate::format(&call.parts.headers)?;
    let media = body::media_type(&call.parts.headers);
    let bytes = body::bytes(body).await?;
    let (object, _) = body::object(Kind::Namespace.info(), &media, &bytes)?;
    let stored =
        server.finalize_namespace(call.path.object_name(), &object["spec"]["finalizers"])?;
    read::show(format, StatusCode::OK, &call, &stored)
}

/// `SelfSubjectAccessReview`: whoever holds a token may do everything.
pub(super) async fn access_review(body: Body) -> Result<Response, StatusError> {
    let bytes = body::bytes(body).await?;
    let mut review: Value = serde_json::from_slice(&bytes).map_err(|error| {
        StatusError::bad_request(format!("the object provided is unrecognized: {error}"))
    })?;
    if review.get("spec").is_none_or(|spec| !spec.is_object()) {
        let cause = Cause::required(
            "spec.resourceAttributes",
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        );
        return Err(StatusError::invalid(
            "authorization.k8s.io",
            "SelfSubjectAccessReview",
            "",
            &[cause],
        ));
    }
    review["apiVersion"] = "authorization.k8s.io/v1".into();
    review["kind"] = "SelfSubjectAccessReview".into();
    map_mut(&mut review, "metadata");
    review["status"] = json!({ "allowed": true });
    render::json(StatusCode::CREATED, &review)
}

fn check_apply(call: &Call, patch: &PatchBody, force: bool) -> Result<(), StatusError> {
    let refuse = |cause| {
        Err(StatusError::invalid(
            "meta.k8s.io",
            "PatchOptions",
            "",
            &[cause],
        ))
    };
    match patch {
        PatchBody::Apply(_) if call.query.text("fieldManager").is_empty() => refuse(
            Cause::required("fieldManager", "is required for apply patch"),
        ),
        PatchBody::Apply(_) => Ok(()),
        _ if force => refuse(Cause::forbidden(
            "force",
            "may not be specified for non-apply patch",
        )),
        _ => Ok(()),
    }
}

pub(super) fn write(call: &Call, options: &str) -> Result<Write, StatusError> {
    Ok(Write {
        kind: call.path.kind,
        api_version: call.path.api_version(),
        namespace: call.path.space().to_owned(),
        name: call.path.object_name().to_owned(),
        subresource: call.path.subresource.clone().unwrap_or_default(),
        manager: manager(call),
        validation: call.query.validation(options)?,
        dry_run: call.query.dry_run(options)?,
        duplicates: Vec::new(),
    })
}

/// `fieldManager`, or the program of the `User-Agent`.
fn manager(call: &Call) -> String {
    let named = call.query.text("fieldManager");
    if !named.is_empty() {
        return named.to_owned();
    }
    let agent = agent(&call.parts.headers);
    let program = agent.split('/').next().unwrap_or_default();
    if program.is_empty() {
        "unknown".into()
    } else {
        program.to_owned()
    }
}

fn agent(headers: &HeaderMap) -> &str {
    headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn answer(format: Format, call: &Call, outcome: &Outcome) -> Result<Response, StatusError> {
    let code = if outcome.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut response = read::show(format, code, call, &outcome.object)?;
    render::warn(response.headers_mut(), &outcome.warnings);
    Ok(response)
}
