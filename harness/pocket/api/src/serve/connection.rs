//! One connection: HTTP/1.1 with upgrades.

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};

/// A client has so long to send the head of a request.
const HEAD: std::time::Duration = std::time::Duration::from_secs(10);

/// Serves until the peer is done. How a connection ends is the peer's business: an error is
/// a peer that went away or did not speak HTTP, and there is nobody to tell.
pub(super) async fn serve<S>(stream: S, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(256 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let _ended = connection.await;
}
