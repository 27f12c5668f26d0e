//! The loopback TLS listener for `kubectl` and other clients.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::{connection, token};
use crate::server::{AbortOnDrop, ApiServer, ListenError, Listening, TlsConfig};

/// Connections served at once; more wait in the backlog.
const CONNECTIONS: usize = 1024;
/// A client has so long for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause after a failed accept (out of file descriptors), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl ApiServer {
    /// Serves on a free loopback port until the result is dropped. Requests without the token
    /// get 401.
    pub async fn listen(&self, tls: TlsConfig) -> Result<Listening, ListenError> {
        let acceptor = TlsAcceptor::from(Arc::new(server_config(&tls)?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router = token::require(self.router(), &tls.token);
        let task = tokio::spawn(accept(listener, acceptor, router));
        Ok(Listening {
            address,
            kubeconfig: kubeconfig(&tls, address),
            _task: AbortOnDrop(task.abort_handle()),
        })
    }
}

fn server_config(tls: &TlsConfig) -> Result<ServerConfig, ListenError> {
    let wrong = |error: &dyn std::fmt::Display| ListenError::Tls(error.to_string());
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(tls.certificate_chain_pem.as_bytes()).collect();
    let chain = chain.map_err(|error| wrong(&error))?;
    let key = PrivateKeyDer::from_pem_slice(tls.private_key_pem.as_bytes())
        .map_err(|error| wrong(&error))?;
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&error))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| wrong(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, router: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // The set ends every connection with the listener.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let accepted = listener.accept().await;
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (acceptor, router) = (acceptor.clone(), router.clone());
        connections.spawn(async move {
            handshake_and_serve(stream, &acceptor, router).await;
            drop(place);
        });
    }
}

async fn handshake_and_serve(stream: TcpStream, acceptor: &TlsAcceptor, router: Router) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        connection::serve(stream, router).await;
    }
}

/// A kubeconfig with one context, named as the cluster. Written as JSON, which is YAML.
fn kubeconfig(tls: &TlsConfig, address: SocketAddr) -> String {
    let ca = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &tls.ca_pem);
    let name = &tls.cluster;
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": name, "cluster": {
            "server": format!("https://{address}"),
            "certificate-authority-data": ca,
        } }],
        "users": [{ "name": name, "user": { "token": tls.token } }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name, "namespace": "default" } }],
        "current-context": name,
    });
    format!("{config:#}\n")
}
