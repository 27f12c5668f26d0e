//! A WebSocket whose binary messages begin with a channel number.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::Mutex;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// Bytes read from a pod at once.
const CHUNK: usize = 32 * 1024;

/// Both directions of one socket.
pub(crate) struct Socket {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
}

/// The client is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// Sends to channels; clones share the socket.
#[derive(Clone)]
pub(super) struct Sender(Arc<Mutex<SplitSink<Stream, Message>>>);

/// Receives from channels.
pub(super) struct Receiver(SplitStream<Stream>);

impl Socket {
    pub(super) fn new(stream: Stream) -> Self {
        let (sink, stream) = stream.split();
        Self {
            sender: Sender(Arc::new(Mutex::new(sink))),
            receiver: Receiver(stream),
        }
    }
}

impl Sender {
    /// Sends one message; waits while the client does not read.
    pub(super) async fn send(&self, channel: u8, bytes: &[u8]) -> Result<(), Gone> {
        let mut message = BytesMut::with_capacity(bytes.len() + 1);
        message.put_u8(channel);
        message.put_slice(bytes);
        self.0
            .lock()
            .await
            .send(Message::Binary(message.freeze()))
            .await
            .map_err(|_| Gone)
    }

    /// Copies a pod's output to a channel until it ends.
    pub(super) async fn copy_from(
        &self,
        channel: u8,
        mut reader: impl AsyncRead + Unpin,
    ) -> Result<(), Gone> {
        let mut buffer = vec![0; CHUNK];
        loop {
            // A terminal whose process ended reads as an error: the end as well.
            match reader.read(&mut buffer).await {
                Ok(0) | Err(_) => return Ok(()),
                Ok(length) => self.send(channel, &buffer[..length]).await?,
            }
        }
    }

    /// Ends the conversation.
    pub(super) async fn close(&self) {
        // The client may have closed first; then there is nobody to tell.
        let _closed = self.0.lock().await.close().await;
    }
}

impl Receiver {
    /// The next channel and its bytes; `None` when the client closed or went away.
    pub(super) async fn next(&mut self) -> Option<(u8, Bytes)> {
        loop {
            let bytes = match self.0.next().await?.ok()? {
                Message::Binary(bytes) => bytes,
                Message::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
                Message::Close(_) => return None,
                _ => continue,
            };
            if let Some((&channel, _)) = bytes.split_first() {
                return Some((channel, bytes.slice(1..)));
            }
        }
    }
}
