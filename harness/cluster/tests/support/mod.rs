//! An API server in memory that keeps objects, can refuse, can stop answering on either side of a write,
//! and lets somebody else change what it keeps.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc::{self, UnboundedSender};
use futures::stream::{self, BoxStream, StreamExt};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use meshproof_cluster::{ClusterAccess, Facts, Side, kube};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// The side of a write on which the server stops answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    Before,
    After,
}

type Answer = Response<StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>>;

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    refused: BTreeMap<String, usize>,
    stuck: Option<(Method, Stuck)>,
    finalizers: bool,
    watches: BTreeMap<String, UnboundedSender<Bytes>>,
    writes: Vec<Method>,
}

/// A handle on the server; all clones are one server.
#[derive(Clone, Default)]
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
    reached: Arc<Notify>,
}

impl Server {
    /// A cluster that does not vanish with the run, behind this server.
    pub(crate) fn access(&self, run: &str) -> ClusterAccess {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let facts = Facts {
            ready_within: Duration::from_secs(5),
            ..Facts::istio_defaults("contexts")
        };
        ClusterAccess::new(
            Side::Server,
            kube::Client::new(service, "default"),
            facts,
            run,
        )
    }

    /// What the server keeps under a path, without what it writes by itself.
    pub(crate) fn kept(&self, path: &str) -> Option<Value> {
        let mut object = self.state().objects.get(path)?.clone();
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.remove("resourceVersion");
        Some(object)
    }

    /// What somebody else makes of the object under a path.
    pub(crate) fn others(&self, path: &str, object: Option<Value>) {
        let mut state = self.state();
        match object {
            Some(object) => drop(state.keep(path, object)),
            None => drop(state.objects.remove(path)),
        }
    }

    /// Refuses the next requests of a method, as many as told.
    pub(crate) fn refuse(&self, method: &Method, times: usize) {
        self.state().refused.insert(method.to_string(), times);
    }

    /// Does not answer the next request of a method.
    pub(crate) fn stick(&self, method: &Method, stuck: Stuck) {
        self.state().stuck = Some((method.clone(), stuck));
    }

    /// Waits until a request is there that is not answered.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Objects stay after the first request to delete them, and go with the second.
    pub(crate) fn finalizers(&self) {
        self.state().finalizers = true;
    }

    /// The methods of all writes that were executed, in their order.
    pub(crate) fn writes(&self) -> Vec<Method> {
        self.state().writes.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let query = head.uri.query().unwrap_or_default().to_owned();
        let path = head.uri.path().to_owned();
        if query.contains("watch=true") {
            return self.state().watch(&path, &query);
        }
        let stuck = self.state().take_stuck(&head.method);
        if stuck == Some(Stuck::Before) {
            self.reached.notify_one();
            return std::future::pending().await;
        }
        let answer = self.state().execute(&head.method, &path, &body);
        if stuck == Some(Stuck::After) {
            self.reached.notify_one();
            return std::future::pending().await;
        }
        answer
    }
}

impl State {
    fn take_stuck(&mut self, method: &Method) -> Option<Stuck> {
        let (_, side) = self.stuck.take_if(|(of, _)| of == method)?;
        Some(side)
    }

    fn execute(&mut self, method: &Method, path: &str, body: &[u8]) -> Answer {
        if let Some(left @ 1..) = self.refused.get_mut(method.as_str()) {
            *left -= 1;
            return failure(403, "Forbidden", "admission webhook denied the request");
        }
        if method != Method::GET {
            self.writes.push(method.clone());
        }
        let found = self.objects.get(path).cloned();
        match (method.as_str(), found) {
            ("POST", _) => {
                let object: Value = serde_json::from_slice(body).unwrap();
                let path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
                if self.objects.contains_key(&path) {
                    return failure(409, "AlreadyExists", "it exists already");
                }
                object_answer(201, &self.keep(&path, object))
            }
            (_, None) => failure(404, "NotFound", "there is no such object"),
            ("GET", Some(object)) => object_answer(200, &object),
            ("PATCH", Some(mut object)) => {
                let patch: json_patch::Patch = serde_json::from_slice(body).unwrap();
                match json_patch::patch(&mut object, &patch) {
                    Ok(()) => object_answer(200, &self.keep(path, object)),
                    Err(error) => failure(422, "Invalid", &error.to_string()),
                }
            }
            ("DELETE", Some(object)) => self.delete(path, object),
            (method, _) => failure(405, "MethodNotAllowed", method),
        }
    }

    fn delete(&mut self, path: &str, mut object: Value) -> Answer {
        if self.finalizers && object["metadata"]["deletionTimestamp"].is_null() {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            return object_answer(200, &self.keep(path, object));
        }
        self.objects.remove(path);
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if let Some(watch) = self.watches.remove(path) {
            let event = format!("{}\n", json!({"type": "DELETED", "object": object}));
            // Nobody listens where the client has gone.
            let _ = watch.unbounded_send(event.into());
        }
        object_answer(
            200,
            &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}),
        )
    }

    fn keep(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    fn watch(&mut self, path: &str, query: &str) -> Answer {
        let (_, name) = query.split_once("metadata.name%3D").unwrap();
        let name = name.split('&').next().unwrap();
        let (events, lines) = mpsc::unbounded();
        self.watches.insert(format!("{path}/{name}"), events);
        answer(200, lines.boxed())
    }
}

fn object_answer(code: u16, object: &Value) -> Answer {
    answer(code, stream::iter([object.to_string().into()]).boxed())
}

fn failure(code: u16, reason: &str, message: &str) -> Answer {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "reason": reason, "code": code, "message": message});
    object_answer(code, &status)
}

fn answer(code: u16, body: BoxStream<'static, Bytes>) -> Answer {
    let body = StreamBody::new(body.map(|bytes| Ok(Frame::data(bytes))).boxed());
    Response::builder().status(code).body(body).unwrap()
}
