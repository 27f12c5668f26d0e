//! A port of a pod on the loopback address of this machine, for programs that want host and port.

use std::net::{Ipv4Addr, SocketAddr};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::access::{ClusterAccess, PodRef};
use crate::error::{Error, Result, chain};

/// A forwarded port. It takes exactly one connection and then closes its listener: a port on
/// loopback is open to every user of the machine for as long as it listens. Ends when dropped.
#[derive(Debug)]
pub struct Forward {
    /// Where to connect, once.
    pub address: SocketAddr,
    bridge: JoinHandle<Result<(), String>>,
}

impl ClusterAccess {
    /// Forwards `port` of a pod, by its loopback address (so past its sidecar, as `kubectl
    /// port-forward` does).
    ///
    /// # Errors
    /// No loopback socket. A refusal by the cluster ends the connection; [`Forward::ended`] has it.
    pub async fn forward(&self, pod: &PodRef, port: u16) -> Result<Forward> {
        let local = |source| Error::Local {
            doing: "listen on a loopback port".to_owned(),
            source,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(local)?;
        let address = listener.local_addr().map_err(local)?;
        let api = self.namespaced::<Pod>(&pod.namespace);
        let name = pod.name.clone();
        let bridge = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.map_err(|error| error.to_string())?;
            drop(listener);
            carry(api, &name, port, stream).await
        });
        Ok(Forward { address, bridge })
    }
}

async fn carry(api: Api<Pod>, pod: &str, port: u16, mut local: TcpStream) -> Result<(), String> {
    let mut forwarder = api
        .portforward(pod, &[port])
        .await
        .map_err(|error| chain(&error))?;
    let mut remote = forwarder
        .take_stream(port)
        .ok_or("the port's stream is already taken")?;
    let refused = forwarder.take_error(port);
    let copied = tokio::io::copy_bidirectional(&mut local, &mut remote).await;
    drop(remote);
    // The error channel ends with the stream; a message on it is why nothing came.
    if let Some(refused) = refused
        && let Some(why) = refused.await
    {
        return Err(why);
    }
    copied.map(drop).map_err(|error| error.to_string())
}

impl Forward {
    /// Why the forwarded connection ended, once it did: an error of the cluster, or nothing.
    pub async fn ended(mut self) -> Option<String> {
        match (&mut self.bridge).await {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(error) => Some(error.to_string()),
        }
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.bridge.abort();
    }
}
