//! Watching: each watcher reads the shared history from its own revision onwards.
//!
//! There is no queue per watcher, so a slow one costs nothing, and none can lose or repeat
//! an event: it either reads each change after its revision, or is told that it lagged.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use tokio::sync::watch;

use super::{Event, Store};
use crate::kinds::{KINDS, Kind};

/// The watcher is further behind than the history reaches; list and watch again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("revision {asked} is no longer in the history, which starts at {oldest}; list again")]
pub struct Lagged {
    /// Revision of the watcher.
    pub asked: u64,
    /// Oldest revision that can be watched from.
    pub oldest: u64,
}

/// Wakes watchers: one signal per kind, and one for watchers of several kinds.
pub(super) struct Signals {
    kinds: Vec<watch::Sender<u64>>,
    any: watch::Sender<u64>,
}

impl Signals {
    pub(super) fn new() -> Self {
        Self {
            kinds: KINDS.iter().map(|_| watch::Sender::new(0)).collect(),
            any: watch::Sender::new(0),
        }
    }

    pub(super) fn announce(&self, kind: Kind, revision: u64) {
        for sender in [&self.kinds[kind as usize], &self.any] {
            sender.send_if_modified(|seen| {
                let newer = revision > *seen;
                *seen = (*seen).max(revision);
                newer
            });
        }
    }

    fn subscribe(&self, kinds: &[Kind]) -> watch::Receiver<u64> {
        match kinds {
            [one] => self.kinds[*one as usize].subscribe(),
            _ => self.any.subscribe(),
        }
    }
}

/// A stream of changes; never ends by itself, except after [`Lagged`].
pub struct Watch {
    store: Arc<Store>,
    kinds: Vec<Kind>,
    revision: u64,
    ready: VecDeque<Event>,
    signal: watch::Receiver<u64>,
    waiting: Option<BoxFuture<'static, watch::Receiver<u64>>>,
    lagged: bool,
}

impl Watch {
    pub(super) fn new(store: Arc<Store>, kinds: &[Kind], revision: u64) -> Self {
        let signal = store.signals.subscribe(kinds);
        Self {
            store,
            kinds: kinds.to_vec(),
            revision,
            ready: VecDeque::new(),
            signal,
            waiting: None,
            lagged: false,
        }
    }

    /// Every change at or before this revision has been given out.
    pub fn revision(&self) -> u64 {
        self.ready
            .front()
            .map_or(self.revision, |event| event.revision - 1)
    }

    /// The next change, if there is one already.
    pub fn try_next(&mut self) -> Result<Option<Event>, Lagged> {
        if self.ready.is_empty() {
            self.refill()?;
        }
        Ok(self.ready.pop_front())
    }

    /// Waits for the next change.
    pub async fn next(&mut self) -> Result<Event, Lagged> {
        loop {
            self.signal.mark_unchanged();
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            // The sender lives in the store that this watch holds: it cannot be gone.
            let _ = self.signal.changed().await;
        }
    }

    fn refill(&mut self) -> Result<(), Lagged> {
        let inner = self.store.lock();
        for &kind in &self.kinds {
            let history = &inner.histories[kind as usize];
            let events = history.after(self.revision).map_err(|oldest| Lagged {
                asked: self.revision,
                oldest,
            })?;
            self.ready.extend(events.cloned());
        }
        self.revision = self.revision.max(inner.revision);
        drop(inner);
        if self.kinds.len() > 1 {
            self.ready
                .make_contiguous()
                .sort_by_key(|event| event.revision);
        }
        Ok(())
    }
}

impl Stream for Watch {
    type Item = Result<Event, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.lagged {
                return Poll::Ready(None);
            }
            if this.waiting.is_none() {
                let mut signal = this.signal.clone();
                signal.mark_unchanged();
                match this.try_next() {
                    Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                    Ok(None) => {}
                    Err(lagged) => {
                        this.lagged = true;
                        return Poll::Ready(Some(Err(lagged)));
                    }
                }
                this.waiting = Some(
                    async move {
                        let _ = signal.changed().await;
                        signal
                    }
                    .boxed(),
                );
            }
            if let Some(waiting) = this.waiting.as_mut() {
                let Poll::Ready(_) = waiting.poll_unpin(context) else {
                    return Poll::Pending;
                };
                this.waiting = None;
            }
        }
    }
}
