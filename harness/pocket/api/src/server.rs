//! The server as the rest of the embedded cluster sees it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::hooks::{Admission, Hooks, Streams};
use crate::store::Store;

/// One cluster's API server. Cheap to clone.
#[derive(Clone)]
pub struct ApiServer {
    pub(crate) store: Arc<Store>,
    pub(crate) hooks: Hooks,
}

impl ApiServer {
    /// A server for `store`. It serves once [`ApiServer::in_memory_client`] or
    /// [`ApiServer::listen`] is called; spawn [`ApiServer::collect_garbage`] beside it.
    pub fn new(
        store: Arc<Store>,
        admission: Arc<dyn Admission>,
        streams: Arc<dyn Streams>,
    ) -> Self {
        Self {
            store,
            hooks: Hooks { admission, streams },
        }
    }

    /// The objects.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }
}

/// How the loopback listener identifies itself and its clients.
pub struct TlsConfig {
    /// Name of the cluster, context and user in the kubeconfig.
    pub cluster: String,
    /// Server certificate and its chain, PEM; its SAN must hold 127.0.0.1.
    pub certificate_chain_pem: String,
    /// Private key, PEM (PKCS#8, SEC1 or PKCS#1).
    pub private_key_pem: String,
    /// Certificate authority that clients are to trust, PEM.
    pub ca_pem: String,
    /// Bearer token of the administrator.
    pub token: String,
}

/// A listener that serves until it is dropped.
pub struct Listening {
    /// Loopback address and port.
    pub address: SocketAddr,
    /// A kubeconfig for it. It holds the token: write it with mode 0600.
    pub kubeconfig: String,
    pub(crate) _task: AbortOnDrop,
}

/// Why [`ApiServer::listen`] failed.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The loopback socket.
    #[error("opening a loopback listener for the API server: {0}")]
    Socket(#[from] std::io::Error),
    /// Certificate or key.
    #[error("the API server's certificate or key cannot be used: {0}")]
    Tls(String),
}

/// Ends a task with its owner.
pub(crate) struct AbortOnDrop(pub(crate) tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
