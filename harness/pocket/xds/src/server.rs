//! gRPC over a Unix socket: connections, streams, and one task for each.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    time::Duration,
};

use futures::{Stream, StreamExt, stream};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};
use tonic::{
    Status, Streaming,
    body::Body,
    server::{Grpc, StreamingService},
};

use crate::{
    ads::Proxy,
    discovery::{DiscoveryRequest, DiscoveryResponse, ProtoCodec},
};

const ACCEPT_BACKOFF: Duration = Duration::from_millis(20);
const STREAM: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

/// Keeps a proxy's socket served; dropping it closes the socket and its streams.
#[derive(Debug)]
#[must_use = "dropping the handle stops the server"]
pub struct ServeHandle(AbortHandle);

impl Drop for ServeHandle {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts serving one proxy.
pub(crate) fn serve(proxy: Arc<Proxy>, listener: UnixListener) -> ServeHandle {
    ServeHandle(tokio::spawn(accept(proxy, listener)).abort_handle())
}

/// Accepts until aborted; aborting it drops the set and with it every connection.
async fn accept(proxy: Arc<Proxy>, listener: UnixListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(proxy.clone(), stream));
                }
                // Out of file descriptors or memory: nothing announces that there are some again.
                Err(_) => tokio::time::sleep(ACCEPT_BACKOFF).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One HTTP/2 connection. Its error is the proxy going away, which the stream's end already shows.
async fn connection(proxy: Arc<Proxy>, stream: UnixStream) {
    let service = service_fn(move |request| route(proxy.clone(), request));
    let served =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    drop(served.await);
}

async fn route(
    proxy: Arc<Proxy>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if request.uri().path() != STREAM {
        let refusal = format!("only {STREAM} is served, not {}", request.uri().path());
        return Ok(Status::unimplemented(refusal).into_http());
    }
    let mut grpc = Grpc::new(ProtoCodec::<DiscoveryResponse, DiscoveryRequest>::default())
        .max_decoding_message_size(usize::MAX)
        .max_encoding_message_size(usize::MAX);
    Ok(grpc.streaming(Aggregated(proxy), request).await)
}

struct Aggregated(Arc<Proxy>);

impl StreamingService<DiscoveryRequest> for Aggregated {
    type Response = DiscoveryResponse;
    type ResponseStream =
        std::pin::Pin<Box<dyn Stream<Item = Result<DiscoveryResponse, Status>> + Send>>;
    type Future = Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<DiscoveryRequest>>) -> Self::Future {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(converse(self.0.clone(), request.into_inner(), sender));
        let responses = stream::unfold(receiver, |mut receiver| async {
            receiver
                .recv()
                .await
                .map(|response| (Ok(response), receiver))
        });
        ready(Ok(tonic::Response::new(responses.boxed())))
    }
}

/// One stream, from its first request until either side ends it.
async fn converse(
    proxy: Arc<Proxy>,
    mut requests: Streaming<DiscoveryRequest>,
    sender: mpsc::UnboundedSender<DiscoveryResponse>,
) {
    let mut changed = proxy.changed.subscribe();
    let (stream, mut conversation) = proxy.open();
    loop {
        tokio::select! {
            request = requests.message() => match request {
                Ok(Some(request)) => conversation.request(request),
                Ok(None) | Err(_) => break,
            },
            Ok(()) = changed.changed() => {}
            () = sender.closed() => break,
        }
        let responses = proxy.turn(stream, &mut conversation);
        if responses
            .into_iter()
            .any(|response| sender.send(response).is_err())
        {
            break;
        }
    }
    proxy.close(stream);
}
