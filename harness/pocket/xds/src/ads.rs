//! The server: one listening socket a proxy.

use tokio::{net::UnixListener, sync::watch, time::Instant};

use crate::{AckError, EncodeError, ProxyKey, ProxyStatus, Snapshot, Version};

/// An ADS server for any number of proxies. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct Ads {}

/// Keeps a proxy's socket served; dropping it closes the socket and its streams.
#[derive(Debug)]
pub struct ServeHandle {}

impl Ads {
    /// A server without proxies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves `proxy` on `listener` until the handle is dropped. Needs a tokio runtime.
    pub fn serve(&self, _proxy: impl Into<ProxyKey>, _listener: UnixListener) -> ServeHandle {
        unimplemented!()
    }

    /// Replaces what `proxy` is to have and pushes the types whose bytes changed.
    pub fn set(&self, _proxy: impl Into<ProxyKey>, _snapshot: &Snapshot) -> Result<Version, EncodeError> {
        unimplemented!()
    }

    /// Waits until `proxy` has acknowledged `version` or something newer.
    #[allow(clippy::unused_async)]
    pub async fn acknowledged(&self, _proxy: impl Into<ProxyKey>, _version: Version, _deadline: Instant) -> Result<(), AckError> {
        unimplemented!()
    }

    /// The proxy's status, and every change of it.
    pub fn subscribe(&self, _proxy: impl Into<ProxyKey>) -> watch::Receiver<ProxyStatus> {
        unimplemented!()
    }
}
