//! HTTP: from a request to a verb on a kind, and back.

mod body;
mod delete;
mod discovery;
mod duplicates;
mod negotiate;
mod openapi;
mod path;
mod pods;
mod query;
mod read;
mod render;
mod scale;
mod watching;
mod writing;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::Method;
use http::request::Parts;

use self::path::{ResourcePath, Target};
use self::query::Query;
use crate::server::ApiServer;
use crate::status::StatusError;

/// Bytes of a request body; kube-apiserver's limit is 3 MiB.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

impl ApiServer {
    /// The router that both ways in serve.
    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }
}

/// A request whose path named a resource; its body goes beside it.
pub(crate) struct Call {
    pub(crate) path: ResourcePath,
    pub(crate) query: Query,
    pub(crate) parts: Parts,
}

impl Call {
    fn method(&self) -> &str {
        self.parts.method.as_str()
    }
}

async fn handle(State(server): State<ApiServer>, request: Request) -> Response {
    let dispatched = dispatch(&server, request).await;
    dispatched.unwrap_or_else(IntoResponse::into_response)
}

async fn dispatch(server: &ApiServer, request: Request) -> Result<Response, StatusError> {
    let query = Query::of(request.uri())?;
    match path::parse(request.uri().path()) {
        Target::Resource(path) => {
            let (parts, body) = request.into_parts();
            resource(server, Call { path, query, parts }, body).await
        }
        Target::Unknown => Err(StatusError::no_resource()),
        Target::NoPath => Ok(render::page_not_found()),
        other if request.method() == Method::GET || request.method() == Method::HEAD => {
            discovery::answer(&other, request.headers())
        }
        Target::AccessReview if request.method() == Method::POST => {
            writing::access_review(request.into_body()).await
        }
        _ => Err(StatusError::method_not_allowed()),
    }
}

async fn resource(server: &ApiServer, call: Call, body: Body) -> Result<Response, StatusError> {
    match (call.path.subresource.as_deref(), call.path.name.is_some()) {
        (None, true) => object(server, call, body).await,
        (None, false) => collection(server, call, body).await,
        (Some("status"), true) if call.path.kind.info().has_status => match call.method() {
            "GET" => read::get(server, &call),
            "PUT" => writing::replace(server, call, body).await,
            "PATCH" => writing::patch(server, call, body).await,
            _ => Err(StatusError::method_not_allowed()),
        },
        (Some(_), true) => subresource(server, call, body).await,
        _ => Err(StatusError::no_resource()),
    }
}

async fn subresource(server: &ApiServer, call: Call, body: Body) -> Result<Response, StatusError> {
    let name = call.path.subresource.clone().unwrap_or_default();
    let name = name.as_str();
    if !call
        .path
        .kind
        .info()
        .subresources
        .iter()
        .any(|sub| sub.name == name)
    {
        return Err(StatusError::no_resource());
    }
    match name {
        "scale" => scale::serve(server, call, body).await,
        "log" | "exec" | "attach" | "portforward" => pods::serve(server, name, call).await,
        "finalize" if call.method() == "PUT" => writing::finalize(server, call, body).await,
        _ => Err(StatusError::method_not_allowed()),
    }
}

async fn object(server: &ApiServer, call: Call, body: Body) -> Result<Response, StatusError> {
    match call.method() {
        "GET" => {
            if call.query.flag("watch") {
                return watching::serve(server, &call);
            }
            read::get(server, &call)
        }
        "PUT" => writing::replace(server, call, body).await,
        "PATCH" => writing::patch(server, call, body).await,
        "DELETE" => delete::one(server, call, body).await,
        _ => Err(StatusError::method_not_allowed()),
    }
}

async fn collection(server: &ApiServer, call: Call, body: Body) -> Result<Response, StatusError> {
    let writable = !call.path.kind.info().namespaced || call.path.namespace.is_some();
    match call.method() {
        "GET" if call.query.flag("watch") => watching::serve(server, &call),
        "GET" => read::list(server, &call),
        "POST" if writable => writing::create(server, call, body).await,
        "DELETE" if writable && call.path.kind != crate::Kind::Namespace => {
            delete::collection(server, call, body).await
        }
        _ => Err(StatusError::method_not_allowed()),
    }
}
