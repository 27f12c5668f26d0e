//! What a container wrote, kept in memory, and read by any number of followers.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::stream::{self, Stream};
use jiff::Timestamp;
use meshproof_pocket_api::LogOptions;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

/// Bytes of log kept for one container; older lines go first, as with a rotated file.
const KEPT: usize = 4 << 20;
/// A line longer than this is cut into several, as the CRI log format does (16 KiB).
const LINE: usize = 16 << 10;

/// The log of one container instance.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    lines: Mutex<Lines>,
    /// Number of lines ever written and whether the container has ended.
    progress: watch::Sender<(u64, bool)>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<(Timestamp, Bytes)>,
    first: u64,
    bytes: usize,
    partial: [Vec<u8>; 2],
}

/// Which of the two output streams a piece of log came from; lines of the two never mix.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// Standard output.
    Stdout = 0,
    /// Standard error.
    Stderr = 1,
}

impl Default for LogBuffer {
    fn default() -> Self {
        Self {
            lines: Mutex::default(),
            progress: watch::Sender::new((0, false)),
        }
    }
}

impl LogBuffer {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        // A panic while holding the lock leaves whole lines behind: the data is still good.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one of the container's pipes to its end.
    pub(crate) async fn drain(
        &self,
        source: Source,
        mut pipe: impl AsyncRead + Unpin,
    ) -> std::io::Result<()> {
        let mut chunk = vec![0; 8 << 10];
        loop {
            let n = pipe.read(&mut chunk).await?;
            if n == 0 {
                self.flush(source);
                return Ok(());
            }
            self.append(source, &chunk[..n]);
        }
    }

    /// Adds bytes as they came; whole lines become visible at once.
    pub(crate) fn append(&self, source: Source, bytes: &[u8]) {
        let now = Timestamp::now();
        let mut lines = self.lock();
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let partial = &mut lines.partial[source as usize];
            partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || partial.len() >= LINE {
                let line = std::mem::take(partial);
                lines.push(now, line);
            }
        }
        self.announce(&lines);
    }

    fn flush(&self, source: Source) {
        let mut lines = self.lock();
        let line = std::mem::take(&mut lines.partial[source as usize]);
        if !line.is_empty() {
            lines.push(Timestamp::now(), line);
            self.announce(&lines);
        }
    }

    fn announce(&self, lines: &Lines) {
        let total = lines.first + lines.kept.len() as u64;
        self.progress.send_modify(|p| p.0 = total);
    }

    /// No more lines will come.
    pub(crate) fn close(&self) {
        self.progress.send_modify(|p| p.1 = true);
    }

    /// The lines that the options ask for, then, when following, each new one until the end.
    pub(crate) fn read(
        self: std::sync::Arc<Self>,
        options: &LogOptions,
    ) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + use<> {
        let next = self.start(options);
        let mut left = options.limit_bytes.unwrap_or(u64::MAX);
        let (follow, timestamps) = (options.follow, options.timestamps);
        let receiver = self.progress.subscribe();
        stream::unfold(
            (self, receiver, next),
            move |(log, mut receiver, next)| async move {
                loop {
                    let (total, ended) = *receiver.borrow_and_update();
                    if next < total {
                        let (chunk, next) = log.lock().chunk(next, timestamps);
                        return Some((chunk, (log, receiver, next)));
                    }
                    if ended || !follow || receiver.changed().await.is_err() {
                        return None;
                    }
                }
            },
        )
        .map_while_limited(move |chunk: Bytes| {
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            left -= take as u64;
            (take > 0).then(|| chunk.slice(..take))
        })
    }

    fn start(&self, options: &LogOptions) -> u64 {
        let lines = self.lock();
        let by_count = options.tail_lines.map_or(0, |n| {
            lines
                .kept
                .len()
                .saturating_sub(usize::try_from(n).unwrap_or(usize::MAX))
        });
        let since = match (&options.since_time, options.since_seconds) {
            (Some(time), _) => time.parse::<Timestamp>().ok(),
            (None, Some(seconds)) => Timestamp::now()
                .checked_sub(jiff::SignedDuration::from_secs(seconds))
                .ok(),
            _ => None,
        };
        let by_time = since.map_or(0, |since| lines.kept.partition_point(|(t, _)| *t < since));
        lines.first + by_count.max(by_time) as u64
    }
}

impl Lines {
    fn push(&mut self, time: Timestamp, line: Vec<u8>) {
        self.bytes += line.len();
        self.kept.push_back((time, line.into()));
        while self.bytes > KEPT {
            let Some((_, line)) = self.kept.pop_front() else {
                break;
            };
            self.bytes -= line.len();
            self.first += 1;
        }
    }

    /// All lines from number `next` on in one piece, and the number after them.
    fn chunk(&self, next: u64, timestamps: bool) -> (Bytes, u64) {
        let skip = usize::try_from(next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let mut out = Vec::new();
        for (time, line) in self.kept.iter().skip(skip) {
            if timestamps {
                out.extend_from_slice(format!("{time:.9} ").as_bytes());
            }
            out.extend_from_slice(line);
        }
        (out.into(), self.first + self.kept.len() as u64)
    }
}

/// Ends a stream when its byte limit is used up.
trait MapWhileLimited: Stream<Item = Bytes> + Sized {
    fn map_while_limited(
        self,
        mut cut: impl FnMut(Bytes) -> Option<Bytes> + Send,
    ) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send
    where
        Self: Send,
    {
        use futures::StreamExt;
        self.map(move |chunk| {
            if chunk.is_empty() {
                Some(chunk)
            } else {
                cut(chunk)
            }
        })
        .take_while(|chunk| std::future::ready(chunk.is_some()))
        .filter_map(|chunk| std::future::ready(chunk.map(Ok)))
    }
}

impl<S: Stream<Item = Bytes> + Sized> MapWhileLimited for S {}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use std::sync::Arc;

    async fn all(log: &Arc<LogBuffer>, options: LogOptions) -> String {
        let chunks: Vec<_> = log.clone().read(&options).collect().await;
        chunks
            .into_iter()
            .map(|c| String::from_utf8(c.expect("bytes").to_vec()).expect("text"))
            .collect()
    }

    #[tokio::test]
    async fn lines_of_two_streams_do_not_mix() {
        let log = Arc::new(LogBuffer::default());
        log.append(Source::Stdout, b"one ");
        log.append(Source::Stderr, b"error\n");
        log.append(Source::Stdout, b"line\n");
        assert_eq!(all(&log, LogOptions::default()).await, "error\none line\n");
    }

    #[tokio::test]
    async fn tail_and_limit() {
        let log = Arc::new(LogBuffer::default());
        log.append(Source::Stdout, b"a\nb\nc\n");
        assert_eq!(
            all(
                &log,
                LogOptions {
                    tail_lines: Some(2),
                    ..Default::default()
                }
            )
            .await,
            "b\nc\n"
        );
        assert_eq!(
            all(
                &log,
                LogOptions {
                    limit_bytes: Some(3),
                    ..Default::default()
                }
            )
            .await,
            "a\nb"
        );
    }

    #[tokio::test]
    async fn a_follower_gets_every_line_until_the_end() {
        let log = Arc::new(LogBuffer::default());
        let reader = tokio::spawn({
            let log = log.clone();
            async move {
                all(
                    &log,
                    LogOptions {
                        follow: true,
                        ..Default::default()
                    },
                )
                .await
            }
        });
        for i in 0..100 {
            log.append(Source::Stdout, format!("{i}\n").as_bytes());
            tokio::task::yield_now().await;
        }
        log.close();
        let text = reader.await.expect("reader");
        assert_eq!(text.lines().count(), 100);
    }

    #[test]
    fn old_lines_go_first() {
        let log = LogBuffer::default();
        for _ in 0..600 {
            log.append(Source::Stdout, &[b'x'; LINE]);
        }
        let lines = log.lock();
        assert!(lines.bytes <= KEPT && lines.first > 0);
    }
}
