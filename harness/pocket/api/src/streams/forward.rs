//! Port-forward over WebSocket channels: port `n` of the request uses channel `2n` for data
//! and `2n+1` for errors; each begins with the port in two bytes, little endian.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::socket::{Receiver, Sender, Socket};
use crate::hooks::Streams;

/// Messages of a client that may wait for a slow pod, per port.
const WAITING: usize = 16;

/// The pod whose ports are forwarded.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) namespace: String,
    pub(crate) pod: String,
}

/// Serves the ports until all of them ended or the client goes.
pub(crate) async fn run(
    socket: Socket,
    streams: Arc<dyn Streams>,
    target: Target,
    ports: Vec<u16>,
) {
    let Socket { sender, receiver } = socket;
    let mut inputs = Vec::with_capacity(ports.len());
    let mut forwards = Vec::with_capacity(ports.len());
    for (index, &port) in ports.iter().enumerate() {
        let Ok(channel) = u8::try_from(index * 2) else {
            break;
        };
        let (input, incoming) = mpsc::channel(WAITING);
        inputs.push(input);
        forwards.push(forward(
            sender.clone(),
            streams.as_ref(),
            &target,
            Port { channel, port },
            incoming,
        ));
    }
    tokio::select! {
        _ = join_all(forwards) => sender.close().await,
        () = distribute(receiver, inputs) => {}
    }
}

#[derive(Clone, Copy)]
struct Port {
    channel: u8,
    port: u16,
}

/// Hands the client's messages to their ports; returns when the client is gone.
async fn distribute(mut receiver: Receiver, inputs: Vec<mpsc::Sender<Bytes>>) {
    while let Some((channel, bytes)) = receiver.next().await {
        if channel % 2 == 0
            && let Some(input) = inputs.get(usize::from(channel / 2))
        {
            // A port that ended drops what still comes.
            let _ended = input.send(bytes).await;
        }
    }
}

async fn forward(
    sender: Sender,
    streams: &dyn Streams,
    target: &Target,
    port: Port,
    incoming: mpsc::Receiver<Bytes>,
) {
    let hello = port.port.to_le_bytes();
    for channel in [port.channel, port.channel + 1] {
        if sender.send(channel, &hello).await.is_err() {
            return;
        }
    }
    match streams
        .port_forward(&target.namespace, &target.pod, port.port)
        .await
    {
        Ok(stream) => {
            let (reader, writer) = tokio::io::split(stream);
            tokio::select! {
                // The end of the pod's stream ends the port; what the client sends afterwards has no reader.
                _ = sender.copy_from(port.channel, reader) => {}
                () = write_all(writer, incoming) => {}
            }
        }
        Err(error) => {
            // A client that is gone cannot be told.
            let _told = sender
                .send(port.channel + 1, error.message.as_bytes())
                .await;
        }
    }
}

/// Writes what the client sends; ends only when the client is gone, so that the pod's last
/// words still go out after it stopped reading.
async fn write_all(
    mut writer: impl tokio::io::AsyncWrite + Unpin,
    mut incoming: mpsc::Receiver<Bytes>,
) {
    let mut open = true;
    while let Some(bytes) = incoming.recv().await {
        if open && (writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err()) {
            open = false;
        }
    }
}
