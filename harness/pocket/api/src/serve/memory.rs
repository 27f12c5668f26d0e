//! A `kube::Client` whose connections never leave the process.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use http::Uri;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::Body;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tower::{Service, ServiceExt};

use super::connection;
use crate::server::ApiServer;

/// Bytes in flight per direction and connection.
const PIPE: usize = 64 * 1024;

impl ApiServer {
    /// A client in the same process, as administrator, with default namespace `default`.
    /// Must be called inside a tokio runtime; the connections end with the client.
    pub fn in_memory_client(&self) -> kube::Client {
        let http = HttpClient::builder(TokioExecutor::new()).build::<_, Body>(Connector {
            router: self.router(),
        });
        let service = http.map_request(|mut request: http::Request<Body>| {
            *request.uri_mut() = absolute(request.uri());
            request
        });
        kube::Client::new(service, "default")
    }
}

/// `kube` asks for paths; the HTTP client wants a host to connect to.
fn absolute(uri: &Uri) -> Uri {
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(http::uri::Scheme::HTTP);
    parts.authority = Some(http::uri::Authority::from_static("kubernetes.default.svc"));
    if parts.path_and_query.is_none() {
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    }
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

#[derive(Clone)]
struct Connector {
    router: Router,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Pipe>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        let (client, server) = tokio::io::duplex(PIPE);
        tokio::spawn(connection::serve(server, self.router.clone()));
        Box::pin(async move { Ok(TokioIo::new(Pipe(client))) })
    }
}

/// The client's end.
struct Pipe(DuplexStream);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
