//! What both servers do: a runtime of one thread, a listener, and an end when they are told to.
//!
//! They print JSON objects, one a line. The first has the address: `{"listening": "0.0.0.0:13306"}`.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

use crate::entry::Failure;

/// Serves each connection by itself until SIGTERM or SIGINT: the first process of a container has no
/// default for them.
pub(crate) fn serve<F>(
    listen: SocketAddr,
    session: impl Fn(TcpStream, SocketAddr) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(format!("starting a runtime: {error}")))?;
    runtime.block_on(async {
        let told = |error: std::io::Error| Failure::Other(format!("waiting for signals: {error}"));
        let mut terminate = signal(SignalKind::terminate()).map_err(told)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(told)?;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| Failure::Other(format!("listening on {listen}: {error}")))?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::Other(format!("listening on {listen}: {error}")))?;
        tell(&json!({"listening": address}));
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                accepted = listener.accept() => {
                    let (stream, peer) = accepted
                        .map_err(|error| Failure::Other(format!("accepting on {listen}: {error}")))?;
                    tokio::spawn(session(stream, peer));
                }
            }
        }
    })
}

/// Prints a line. A server whose output nobody reads serves on.
pub(crate) fn tell(line: &Value) {
    drop(writeln!(std::io::stdout(), "{line}"));
}
