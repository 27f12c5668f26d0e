//! Following the log of a container: lines with the time they came, to be waited for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::access::{ClusterAccess, PodRef};
use crate::error::{Result, chain};

/// A line and when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When the harness received it.
    pub received: Instant,
    /// The line, without its end.
    pub text: String,
}

/// A place in a log: lines after it are new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(usize);

/// Why a line that was waited for did not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogWait {
    /// The deadline passed.
    #[error("no such line within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// The stream ended, so nothing can be said about later lines.
    #[error("the log stream ended: {0}")]
    Ended(String),
}

/// The log of one container, followed since the follower was made.
#[derive(Debug)]
pub struct LogFollower {
    /// Whose log it is.
    pub pod: PodRef,
    shared: Arc<Shared>,
    reader: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Vec<LogLine>>,
    progress: watch::Sender<Progress>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Progress {
    lines: usize,
    ended: Option<String>,
}

impl Shared {
    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<LogLine>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, text: String) {
        let mut lines = self.lines();
        lines.push(LogLine {
            received: Instant::now(),
            text,
        });
        let count = lines.len();
        drop(lines);
        self.progress.send_modify(|progress| progress.lines = count);
    }
}

impl ClusterAccess {
    /// Follows the log of a container from its beginning. A native sidecar is an init container to
    /// the API; the log of either is asked for by the same name.
    ///
    /// # Errors
    /// The log cannot be opened.
    pub async fn follow_log(&self, pod: &PodRef, container: &str) -> Result<LogFollower> {
        let parameters = LogParams {
            container: Some(container.to_owned()),
            follow: true,
            ..LogParams::default()
        };
        let stream = self
            .namespaced::<Pod>(&pod.namespace)
            .log_stream(&pod.name, &parameters)
            .await
            .map_err(|error| {
                self.api_error(format!("follow the log of {container} in pod {pod}"), error)
            })?;
        let shared = Arc::new(Shared::default());
        let sink = shared.clone();
        let reader = tokio::spawn(async move {
            let mut lines = std::pin::pin!(stream.lines());
            let ended = loop {
                match lines.try_next().await {
                    Ok(Some(line)) => sink.push(line),
                    Ok(None) => break "the container's log is at its end".to_owned(),
                    Err(error) => break chain(&error),
                }
            };
            sink.progress
                .send_modify(|progress| progress.ended = Some(ended));
        });
        Ok(LogFollower {
            pod: pod.clone(),
            shared,
            reader,
        })
    }
}

impl LogFollower {
    /// The present end of the log.
    pub fn mark(&self) -> Mark {
        Mark(self.shared.lines().len())
    }

    /// Lines that came after `mark`.
    pub fn since(&self, mark: Mark) -> Vec<LogLine> {
        self.shared
            .lines()
            .get(mark.0..)
            .unwrap_or_default()
            .to_vec()
    }

    /// Why the stream ended, if it did: absence of a line then proves nothing.
    pub fn ended(&self) -> Option<String> {
        self.shared.progress.borrow().ended.clone()
    }

    /// Waits for the first line after `mark` for which `wanted` returns a value.
    pub async fn wait_for<T>(
        &self,
        mark: Mark,
        within: Duration,
        mut wanted: impl FnMut(&LogLine) -> Option<T>,
    ) -> Result<T, LogWait> {
        let mut progress = self.shared.progress.subscribe();
        let mut seen = mark.0;
        let waiting = async {
            loop {
                let ended = progress.borrow_and_update().ended.clone();
                let new = self.since(Mark(seen));
                seen += new.len();
                if let Some(found) = new.iter().find_map(&mut wanted) {
                    return Ok(found);
                }
                if let Some(why) = ended {
                    return Err(LogWait::Ended(why));
                }
                if progress.changed().await.is_err() {
                    return Err(LogWait::Ended("the reader is gone".to_owned()));
                }
            }
        };
        tokio::time::timeout(within, waiting)
            .await
            .unwrap_or(Err(LogWait::Deadline(within)))
    }
}

impl Drop for LogFollower {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follower() -> LogFollower {
        LogFollower {
            pod: PodRef::new("default", "p"),
            shared: Arc::default(),
            reader: tokio::spawn(std::future::pending()),
        }
    }

    #[tokio::test]
    async fn finds_a_line_that_comes_later_and_none_before_the_mark() {
        let follower = follower();
        follower.shared.push("old".to_owned());
        let mark = follower.mark();
        let shared = follower.shared.clone();
        tokio::spawn(async move { shared.push("new".to_owned()) });
        let found = follower
            .wait_for(mark, Duration::from_secs(5), |line| Some(line.text.clone()))
            .await;
        assert_eq!(found.unwrap(), "new");
    }

    #[tokio::test]
    async fn an_ended_stream_is_not_absence() {
        let follower = follower();
        follower
            .shared
            .progress
            .send_modify(|progress| progress.ended = Some("gone".to_owned()));
        let found = follower
            .wait_for(Mark::default(), Duration::from_secs(5), |_| Some(()))
            .await;
        assert_eq!(found, Err(LogWait::Ended("gone".to_owned())));
    }
}
