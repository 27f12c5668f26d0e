//! A proxy's admin port, over one forwarded connection that is kept: what the proxy serves of a run's can then be
//! asked as often as it takes, without asking the API server again.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;

use crate::access::{ClusterAccess, PodRef};
use crate::error::{Result, chain};
use crate::serving::{QUESTIONS, Serving, Whose};

/// Where Istio's proxies have it, on the pod's loopback address (Istio's `proxyAdminPort`, by default).
const PORT: u16 = 15000;

/// The admin port of one proxy.
pub struct ProxyAdmin {
    /// The proxy's pod.
    pub pod: PodRef,
    whose: Whose,
    access: ClusterAccess,
    open: Option<Connection>,
}

struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    /// Why the cluster ended the stream, once it has.
    refused: Option<BoxFuture<'static, Option<String>>>,
    /// The stream ends with it.
    _forwarder: Portforwarder,
}

/// How long the reason for an end may come after the end itself.
const REASON_WITHIN: Duration = Duration::from_millis(500);

impl Connection {
    /// Why it broke: in the cluster's words where it says something, else in those of whoever read from it.
    async fn why(self, found: String) -> String {
        drop(self.sender);
        let Some(refused) = self.refused else {
            return found;
        };
        let said = tokio::time::timeout(REASON_WITHIN, refused).await;
        said.ok().flatten().unwrap_or(found)
    }
}

impl ClusterAccess {
    /// The admin port of a pod's proxy. Nothing is asked of it yet.
    pub fn proxy_admin(&self, pod: &PodRef, whose: Whose) -> ProxyAdmin {
        ProxyAdmin {
            pod: pod.clone(),
            whose,
            access: self.clone(),
            open: None,
        }
    }
}

impl ProxyAdmin {
    /// What the proxy serves of the run's now.
    ///
    /// # Errors
    /// The port cannot be reached, also not over a new connection where there was one; an answer is none of Envoy's.
    pub async fn serving(&mut self) -> Result<Serving> {
        let was_open = self.open.is_some();
        match self.ask().await {
            // A connection that is kept may have ended meanwhile.
            Err(_) if was_open => {
                self.open = None;
                self.ask().await
            }
            asked => asked,
        }
    }

    async fn ask(&mut self) -> Result<Serving> {
        let mut serving = Serving::default();
        for question in QUESTIONS {
            for path in question.paths(&self.whose, &serving) {
                let asked = match self.get(&path).await {
                    Ok(answer) => question.read(&answer, &self.whose, &mut serving),
                    Err(why) => Err(why),
                };
                if let Err(found) = asked {
                    let why = match self.open.take() {
                        Some(open) => open.why(found).await,
                        None => found,
                    };
                    let (pod, asked) = (&self.pod, question.resource());
                    let what = format!("ask the proxy in pod {pod} for its {asked}");
                    return Err(self.access.failed(what, why));
                }
            }
        }
        Ok(serving)
    }

    async fn get(&mut self, path: &str) -> Result<Bytes, String> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.connect().await?,
        };
        let open = self.open.insert(open);
        let request = Request::get(path).header(HOST, "localhost");
        let request = request.body(Empty::new());
        let request = request.map_err(|error| error.to_string())?;
        let told = |error: hyper::Error| chain(&error);
        open.sender.ready().await.map_err(told)?;
        let response = open.sender.send_request(request).await.map_err(told)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(told)?;
        let body = body.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let said = String::from_utf8_lossy(&body);
        Err(format!("it answered {status}: {}", said.trim()))
    }

    async fn connect(&self) -> Result<Connection, String> {
        let api: Api<Pod> = self.access.namespaced(&self.pod.namespace);
        let forwarding = api.portforward(&self.pod.name, &[PORT]).await;
        let mut forwarder = forwarding.map_err(|error| chain(&error))?;
        let stream = forwarder.take_stream(PORT);
        let stream = stream.ok_or("the port's stream is already taken")?;
        let refused = forwarder.take_error(PORT);
        let connecting = http1::handshake(TokioIo::new(stream));
        let (sender, connection) = connecting.await.map_err(|error| chain(&error))?;
        // Its error reaches the request that waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Connection {
            sender,
            refused: refused.map(FutureExt::boxed),
            _forwarder: forwarder,
        })
    }
}
