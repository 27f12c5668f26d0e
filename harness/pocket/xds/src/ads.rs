//! The server's handle: what each proxy is to have, and what it said to it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    net::UnixListener,
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{
    AckError, EncodeError, ProxyKey, ProxyStatus, Snapshot, Version, cache::Cache,
    conversation::Conversation, discovery::DiscoveryResponse, encode, server, snapshot::Resources,
};

pub use crate::server::ServeHandle;

/// An ADS server for any number of proxies. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct Ads {
    proxies: Arc<Mutex<HashMap<ProxyKey, Arc<Proxy>>>>,
    encoded: Arc<Mutex<Cache>>,
}

/// One proxy: its resources, and channels that tell streams and waiters of changes.
#[derive(Debug)]
pub(crate) struct Proxy {
    state: Mutex<State>,
    pub(crate) changed: watch::Sender<u64>,
    status: watch::Sender<ProxyStatus>,
}

#[derive(Debug, Default)]
struct State {
    resources: Resources,
    streams: u64,
}

impl Ads {
    /// A server without proxies.
    pub fn new() -> Self {
        encode::warm();
        Self::default()
    }

    /// Serves `proxy` on `listener` until the handle is dropped. Must be called within a tokio runtime.
    pub fn serve(&self, proxy: impl Into<ProxyKey>, listener: UnixListener) -> ServeHandle {
        server::serve(self.proxy(proxy), listener)
    }

    /// Replaces what `proxy` is to have and pushes the types whose bytes changed. An error changes nothing.
    pub fn set(
        &self,
        proxy: impl Into<ProxyKey>,
        snapshot: &Snapshot,
    ) -> Result<Version, EncodeError> {
        let proxy = self.proxy(proxy);
        let mut state = lock(&proxy.state);
        let encoded = state.resources.encode(snapshot, &mut lock(&self.encoded))?;
        let version = state.resources.replace(snapshot, encoded);
        drop(state);
        proxy.changed.send_if_modified(|known| {
            let is_new = *known != version.snapshot;
            *known = version.snapshot;
            is_new
        });
        Ok(version)
    }

    /// Waits until `proxy` has acknowledged `version` or something newer, or refused it.
    ///
    /// Acknowledged is not active: a listener that waits for a secret is acknowledged at once, while
    /// Envoy withholds its answer to clusters until they are warm.
    pub async fn acknowledged(
        &self,
        proxy: impl Into<ProxyKey>,
        version: Version,
        deadline: Instant,
    ) -> Result<(), AckError> {
        let mut status = self.subscribe(proxy);
        let settled = timeout_at(
            deadline,
            status.wait_for(|status| status.settled(&version).is_ok()),
        )
        .await;
        drop(settled);
        let last = status.borrow();
        last.answer(&version)
    }

    /// The proxy's status, and every change of it.
    pub fn subscribe(&self, proxy: impl Into<ProxyKey>) -> watch::Receiver<ProxyStatus> {
        self.proxy(proxy).status.subscribe()
    }

    /// Forgets a proxy that is gone for good. Its streams end with its [`ServeHandle`].
    pub fn remove(&self, proxy: impl Into<ProxyKey>) {
        lock(&self.proxies).remove(&proxy.into());
    }

    fn proxy(&self, key: impl Into<ProxyKey>) -> Arc<Proxy> {
        lock(&self.proxies).entry(key.into()).or_default().clone()
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            status: watch::Sender::default(),
        }
    }
}

impl Proxy {
    /// Begins a stream. The newest stream speaks for the proxy: an older one is of a dead process.
    pub(crate) fn open(&self) -> (u64, Conversation) {
        let stream = {
            let mut state = lock(&self.state);
            state.streams += 1;
            state.streams
        };
        let conversation = Conversation::new(stream);
        self.publish(stream, &conversation);
        (stream, conversation)
    }

    /// What is due on a stream; its status is published.
    pub(crate) fn turn(
        &self,
        stream: u64,
        conversation: &mut Conversation,
    ) -> Vec<DiscoveryResponse> {
        let responses = {
            let mut state = lock(&self.state);
            let responses = conversation.due(&state.resources);
            if state.streams == stream {
                let reached = conversation.clusters_without_retired();
                state.resources.forget_retired(reached);
            }
            responses
        };
        self.publish(stream, conversation);
        responses
    }

    /// Ends a stream.
    pub(crate) fn close(&self, stream: u64) {
        if lock(&self.state).streams == stream {
            self.status.send_replace(ProxyStatus::default());
        }
    }

    fn publish(&self, stream: u64, conversation: &Conversation) {
        let state = lock(&self.state);
        if state.streams == stream {
            let status = conversation.status(&state.resources);
            self.status.send_if_modified(|old| {
                let modified = *old != status;
                *old = status;
                modified
            });
        }
    }
}

/// No code panics while it holds one of these locks, so a poisoned state is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
