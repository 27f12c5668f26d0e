//! Reads a capture as it comes.

use std::sync::Arc;

use futures::future::BoxFuture;
use meshproof_evidence::wire::Blocks;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::store::Store;

/// Bytes read at once.
const CHUNK: usize = 256 * 1024;

/// Keeps what comes until the command ends, and then the reason.
pub(super) async fn follow(
    stdout: impl AsyncRead + Unpin,
    ended: BoxFuture<'static, String>,
    store: Arc<Store>,
) {
    let read = async {
        let read = read(stdout, &store).await;
        // What cannot be read is told at once, whether the command ends or not.
        if let Err(why) = &read {
            store.ended(why);
        }
    };
    let ((), words) = futures::future::join(read, ended).await;
    store.ended(&format!("the capture has ended: {words}"));
}

async fn read(mut from: impl AsyncRead + Unpin, store: &Store) -> Result<(), String> {
    let mut blocks = Blocks::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = from.read(&mut buffer).await.map_err(|e| e.to_string())?;
        if length == 0 {
            return Ok(());
        }
        blocks.push(&buffer[..length]);
        while let Some((block, bytes)) = blocks.next().map_err(|e| e.to_string())? {
            store.add(&block, bytes);
        }
        store.tell();
    }
}
