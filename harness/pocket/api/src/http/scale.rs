//! The `scale` subresource of Deployments and ReplicaSets.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Call, body, read, render, writing};
use crate::object::{self, map_mut};
use crate::patch;
use crate::server::ApiServer;
use crate::status::{Cause, StatusError};
use crate::write::pipeline::Write;

pub(super) async fn serve(
    server: &ApiServer,
    call: Call,
    body: Body,
) -> Result<Response, StatusError> {
    match call.method() {
        "GET" => render::json(StatusCode::OK, &view(&*read::existing(server, &call)?)),
        "PUT" | "PATCH" => change(server, call, body).await,
        _ => Err(StatusError::method_not_allowed()),
    }
}

async fn change(server: &ApiServer, call: Call, body: Body) -> Result<Response, StatusError> {
    let write = Write {
        subresource: "scale".into(),
        ..writing::write(&call, "UpdateOptions")?
    };
    let media = body::media_type(&call.parts.headers);
    let put = call.method() == "PUT";
    let bytes = body::bytes(body).await?;
    let info = call.path.kind.info();
    let patch = if put {
        None
    } else {
        Some(body::patch(info, &media, &bytes)?)
    };
    let sent: Value = if put {
        serde_json::from_slice(&bytes)
            .map_err(|error| StatusError::bad_request(error.to_string()))?
    } else {
        Value::Null
    };
    let outcome = server.change(&write, |old| {
        let mut scale = view(old);
        match &patch {
            Some(patch) => patch::apply(write.kind, patch, &mut scale)?,
            None => scale["spec"] = sent["spec"].clone(),
        }
        let replicas = scale["spec"]
            .get("replicas")
            .cloned()
            .unwrap_or_else(|| 0.into());
        if !replicas.is_u64() {
            let cause = Cause::invalid(
                "spec.replicas",
                &replicas,
                "must be greater than or equal to 0",
            );
            return Err(StatusError::invalid(
                "autoscaling",
                "Scale",
                object::name(old),
                &[cause],
            ));
        }
        let mut object = old.clone();
        map_mut(&mut object, "spec").insert("replicas".into(), replicas);
        Ok((object, true))
    })?;
    render::json(StatusCode::OK, &view(&outcome.object))
}

/// `autoscaling/v1.Scale`; zero replicas are left out, as Go's types do.
fn view(workload: &Value) -> Value {
    let metadata = &workload["metadata"];
    let kept: serde_json::Map<String, Value> = [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ]
    .iter()
    .filter_map(|key| {
        metadata
            .get(*key)
            .map(|value| ((*key).to_owned(), value.clone()))
    })
    .collect();
    let replicas = workload["spec"]["replicas"].as_u64().unwrap_or(0);
    let labels = workload["spec"]["selector"]["matchLabels"].as_object();
    let mut selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    selector.sort();
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": kept,
        "spec": if replicas == 0 { json!({}) } else { json!({ "replicas": replicas }) },
        "status": { "replicas": workload["status"]["replicas"].as_u64().unwrap_or(0), "selector": selector.join(",") },
    })
}
