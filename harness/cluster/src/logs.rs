//! Following the log of a container: lines with the time they came, to be waited for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{AsyncBufRead, AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{Span, Timestamp};
use kube::Api;
use kube::api::LogParams;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::access::{ClusterAccess, PodRef};
use crate::error::{Result, chain};
use crate::log_resume::Resume;

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

    fn end(&self, why: String) {
        self.progress
            .send_modify(|progress| progress.ended = Some(why));
    }
}

impl ClusterAccess {
    /// Follows the log of a container: from its beginning, or from now on clusters that were there before, where it may
    /// be long. A native sidecar is an init container to the API; the log of either is asked for by the same name.
    ///
    /// On such clusters a stream that breaks while the container runs on is opened again.
    ///
    /// # Errors
    /// The log cannot be opened.
    pub async fn follow_log(&self, pod: &PodRef, container: &str) -> Result<LogFollower> {
        let followed = Followed {
            access: self.clone(),
            pod: pod.clone(),
            container: container.to_owned(),
        };
        let doing = format!("follow the log of {container} in pod {pod}");
        let told = |error| self.api_error(&doing, error);
        let shared = Arc::new(Shared::default());
        let sink = shared.clone();
        let reader = if self.facts.ephemeral {
            let stream = followed.open(LogParams::default()).await.map_err(told)?;
            tokio::spawn(async move {
                let ended = drain(stream, |line| {
                    sink.push(line);
                    Ok(())
                });
                sink.end(ended.await);
            })
        } else {
            let began = Timestamp::now();
            let container = followed.container().await.map_err(told)?;
            let from_now = LogParams {
                tail_lines: Some(0),
                timestamps: true,
                ..LogParams::default()
            };
            let stream = followed.open(from_now).await.map_err(told)?;
            tokio::spawn(async move {
                let ended = followed.read(stream, began, container, &sink);
                sink.end(ended.await);
            })
        };
        Ok(LogFollower {
            pod: pod.clone(),
            shared,
            reader,
        })
    }
}

/// A log that is followed.
struct Followed {
    access: ClusterAccess,
    pod: PodRef,
    container: String,
}

/// A container that runs: its id, which another one of the same name does not have.
type Container = Option<String>;

impl Followed {
    fn api(&self) -> Api<Pod> {
        self.access.namespaced(&self.pod.namespace)
    }

    async fn open(&self, parameters: LogParams) -> kube::Result<impl AsyncBufRead + use<>> {
        let parameters = LogParams {
            container: Some(self.container.clone()),
            follow: true,
            ..parameters
        };
        self.api().log_stream(&self.pod.name, &parameters).await
    }

    /// The container that runs now.
    async fn container(&self) -> kube::Result<Container> {
        let status = self.api().get(&self.pod.name).await?.status;
        let status = status.unwrap_or_default();
        let mut all = [status.container_statuses, status.init_container_statuses]
            .into_iter()
            .flatten()
            .flatten();
        let found = all.find(|one| one.name == self.container);
        Ok(found.and_then(|one| {
            let running = one.state.is_some_and(|state| state.running.is_some());
            one.container_id.filter(|_| running)
        }))
    }

    /// Reads one stream after the other; why there is no more.
    async fn read(
        &self,
        first: impl AsyncBufRead,
        began: Timestamp,
        container: Container,
        sink: &Shared,
    ) -> String {
        let mut resume = Resume::default();
        let take = |resume: &mut Resume, line: String| {
            if let Some(text) = resume.take(&line)? {
                sink.push(text.to_owned());
            }
            Ok(())
        };
        let mut ended = drain(first, |line| take(&mut resume, line)).await;
        loop {
            let lines = sink.lines().len();
            resume.again();
            let since = resume.last().unwrap_or(began);
            match self.reopen(since, &container).await {
                Ok(stream) => ended = drain(stream, |line| take(&mut resume, line)).await,
                Err(why) => return format!("{ended}; {why}"),
            }
            // A server that ends each stream at once is not asked without a pause.
            if sink.lines().len() == lines {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Opens the log again, if the container still runs.
    async fn reopen(
        &self,
        since: Timestamp,
        container: &Container,
    ) -> Result<impl AsyncBufRead + use<>, String> {
        let again = LogParams {
            // The client rounds to seconds, up or down.
            since_time: since.checked_sub(Span::new().seconds(1)).ok(),
            timestamps: true,
            ..LogParams::default()
        };
        let deadline = Instant::now() + REOPENED_WITHIN;
        loop {
            let opened = async {
                if container.is_none() || self.container().await? != *container {
                    return Ok(None);
                }
                self.open(again.clone()).await.map(Some)
            };
            match opened.await {
                Ok(Some(stream)) => return Ok(stream),
                Ok(None) => return Err("the container does not run any more".to_owned()),
                Err(error) if Instant::now() >= deadline || is_gone(&error) => {
                    return Err(format!("it could not be opened again: {}", chain(&error)));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

/// A pod that is not there, or that nobody may look at, does not come back.
fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 401 | 403 | 404))
}

/// How long a log may be out of reach.
const REOPENED_WITHIN: Duration = Duration::from_secs(10);
/// Between attempts to reach it.
const PAUSE: Duration = Duration::from_millis(500);

/// Reads a stream to its end; why it ended.
async fn drain(
    stream: impl AsyncBufRead,
    mut take: impl FnMut(String) -> Result<(), String>,
) -> String {
    let mut lines = std::pin::pin!(stream.lines());
    loop {
        match lines.try_next().await {
            Ok(Some(line)) => {
                if let Err(why) = take(line) {
                    return why;
                }
            }
            Ok(None) => return "the container's log is at its end".to_owned(),
            Err(error) => return chain(&error),
        }
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
