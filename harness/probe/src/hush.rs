//! A server that accepts and never says anything.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::entry::Failure;
use crate::serve::serve;

pub(crate) fn run(port: &str) -> Result<(), Failure> {
    let port = port
        .parse()
        .map_err(|_| Failure::Request(format!("hush: `{port}` is no port")))?;
    serve((Ipv4Addr::UNSPECIFIED, port).into(), hush)
}

/// Keeps a connection until its other side closes it.
pub(crate) async fn hush(mut stream: TcpStream, _peer: SocketAddr) {
    let (mut from, mut to) = stream.split();
    // However it ends, there is nothing to say about it.
    let _end = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    let _closed = to.shutdown().await;
}
