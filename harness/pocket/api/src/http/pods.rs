//! `log`, `exec`, `attach` and `portforward` of pods.

use axum::body::Body;
use axum::response::Response;
use futures::StreamExt;
use http::StatusCode;
use serde_json::Value;

use super::query::Query;
use super::render::with_type;
use super::{Call, read};
use crate::hooks::{ExecOptions, LogOptions};
use crate::object::text;
use crate::server::ApiServer;
use crate::status::StatusError;
use crate::streams;

pub(super) async fn serve(
    server: &ApiServer,
    name: &str,
    call: Call,
) -> Result<Response, StatusError> {
    let allowed = call.method() == "GET" || call.method() == "POST" && name != "log";
    if !allowed {
        return Err(StatusError::method_not_allowed());
    }
    let pod = read::existing(server, &call)?;
    match name {
        "log" => log(server, &call, &pod).await,
        "portforward" => port_forward(server, call, &pod),
        _ => exec(server, name, call, &pod).await,
    }
}

async fn log(server: &ApiServer, call: &Call, pod: &Value) -> Result<Response, StatusError> {
    let container = container(&call.query, pod)?;
    let query = &call.query;
    let options = LogOptions {
        container,
        follow: query.flag("follow"),
        tail_lines: query.number("tailLines")?,
        since_seconds: query.number("sinceSeconds")?,
        since_time: Some(query.text("sinceTime").to_owned()).filter(|time| !time.is_empty()),
        timestamps: query.flag("timestamps"),
        previous: query.flag("previous"),
        limit_bytes: query.number("limitBytes")?,
    };
    if text(pod, &["spec", "nodeName"]).is_empty() {
        // Not on a node yet: Kubernetes answers with nothing.
        return Ok(with_type(
            StatusCode::NO_CONTENT,
            "application/json",
            Body::empty(),
        ));
    }
    let lines = server
        .hooks
        .streams
        .logs(call.path.space(), call.path.object_name(), options.clone())
        .await?;
    let body = match options.limit_bytes {
        None => Body::from_stream(lines),
        Some(limit) => Body::from_stream(limited(lines, limit)),
    };
    Ok(with_type(StatusCode::OK, "text/plain", body))
}

/// The first `limit` bytes.
fn limited(
    lines: impl futures::Stream<Item = Result<bytes::Bytes, std::io::Error>>,
    limit: u64,
) -> impl futures::Stream<Item = Result<bytes::Bytes, std::io::Error>> {
    lines.scan(limit, |left, chunk| {
        if *left == 0 {
            return futures::future::ready(None);
        }
        let chunk = chunk.map(|mut bytes| {
            bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= bytes.len() as u64;
            bytes
        });
        futures::future::ready(Some(chunk))
    })
}

async fn exec(
    server: &ApiServer,
    name: &str,
    mut call: Call,
    pod: &Value,
) -> Result<Response, StatusError> {
    let query = &call.query;
    let options = ExecOptions {
        container: container(query, pod)?,
        command: query.all("command").map(str::to_owned).collect(),
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        tty: query.flag("tty"),
    };
    if name == "exec" && options.command.is_empty() {
        return Err(StatusError::bad_request(
            "you must specify at least one command for the container",
        ));
    }
    if !(options.stdin || options.stdout || options.stderr) {
        return Err(StatusError::bad_request(
            "you must specify at least one of stdin, stdout, stderr",
        ));
    }
    check_host(pod)?;
    let upgrade = streams::Upgrade::of(&mut call.parts, streams::REMOTE_COMMAND)?;
    let (space, pod_name) = (call.path.space(), call.path.object_name());
    let session = if name == "exec" {
        server.hooks.streams.exec(space, pod_name, options).await?
    } else {
        server
            .hooks
            .streams
            .attach(space, pod_name, options)
            .await?
    };
    Ok(upgrade.accept(move |socket, protocol| streams::exec::run(socket, protocol, session)))
}

fn port_forward(server: &ApiServer, mut call: Call, pod: &Value) -> Result<Response, StatusError> {
    check_host(pod)?;
    let ports: Result<Vec<u16>, _> = call
        .query
        .all("ports")
        .flat_map(|ports| ports.split(','))
        .map(str::parse::<u16>)
        .collect();
    let ports = ports.map_err(|error| {
        StatusError::bad_request(format!(
            "invalid port in the query parameter \"ports\": {error}"
        ))
    })?;
    if ports.is_empty() || ports.contains(&0) {
        return Err(StatusError::bad_request(
            "query parameter \"ports\" is required: one or more ports from 1 to 65535",
        ));
    }
    let upgrade = streams::Upgrade::of(&mut call.parts, streams::PORT_FORWARD)?;
    let hooks = server.hooks.clone();
    let target = streams::forward::Target {
        namespace: call.path.space().to_owned(),
        pod: call.path.object_name().to_owned(),
    };
    Ok(
        upgrade
            .accept(move |socket, _| streams::forward::run(socket, hooks.streams, target, ports)),
    )
}

fn check_host(pod: &Value) -> Result<(), StatusError> {
    if text(pod, &["spec", "nodeName"]).is_empty() {
        let name = crate::object::name(pod);
        return Err(StatusError::bad_request(format!(
            "pod {name} does not have a host assigned"
        )));
    }
    Ok(())
}

/// The container asked for, the annotated default one, or the only one.
fn container(query: &Query, pod: &Value) -> Result<String, StatusError> {
    let pod_name = crate::object::name(pod);
    let names = |list: &str| -> Vec<&str> {
        pod["spec"][list]
            .as_array()
            .into_iter()
            .flatten()
            .map(|container| text(container, &["name"]))
            .collect()
    };
    let (main, init, ephemeral) = (
        names("containers"),
        names("initContainers"),
        names("ephemeralContainers"),
    );
    let asked = query.text("container");
    if !asked.is_empty() {
        let exists = [&main, &init, &ephemeral]
            .iter()
            .any(|list| list.contains(&asked));
        let wrong = || {
            StatusError::bad_request(format!("container {asked} is not valid for pod {pod_name}"))
        };
        return exists.then(|| asked.to_owned()).ok_or_else(wrong);
    }
    let annotated = text(
        pod,
        &[
            "metadata",
            "annotations",
            "kubectl.kubernetes.io/default-container",
        ],
    );
    if main.contains(&annotated) {
        return Ok(annotated.to_owned());
    }
    match main.as_slice() {
        [one] => Ok((*one).to_owned()),
        many => {
            let mut message = format!(
                "a container name must be specified for pod {pod_name}, choose one of: [{}]",
                many.join(" ")
            );
            if !init.is_empty() {
                message.push_str(" or one of the init containers: [");
                message.push_str(&init.join(" "));
                message.push(']');
            }
            Err(StatusError::bad_request(message))
        }
    }
}
