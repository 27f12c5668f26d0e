//! WebSocket streams into pods: upgrading, and the sessions on top.

pub(crate) mod exec;
pub(crate) mod forward;
mod socket;

use std::future::Future;

use axum::body::Body;
use axum::response::Response;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

pub(crate) use self::socket::Socket;

use crate::status::StatusError;

/// Version 5 of the remote command protocol can close a channel, version 4 cannot.
pub(crate) const V5: &str = "v5.channel.k8s.io";
pub(crate) const V4: &str = "v4.channel.k8s.io";
/// Protocols of exec and attach, the best first.
pub(crate) const REMOTE_COMMAND: &[&str] = &[V5, V4];
/// Protocols of port-forward; clients that offer v5 accept v4, whose channels port-forward uses.
pub(crate) const PORT_FORWARD: &[&str] = &[V4];

/// Longest message of a client; `kubectl` sends at most 32 KiB at once.
const LONGEST_MESSAGE: usize = 1024 * 1024;

/// A request that may become a WebSocket.
pub(crate) struct Upgrade {
    accept_key: String,
    protocol: &'static str,
    pending: OnUpgrade,
}

impl Upgrade {
    /// Checks the handshake (RFC 6455, section 4.2.1) and chooses the protocol.
    pub(crate) fn of(request: &mut Parts, protocols: &[&'static str]) -> Result<Self, StatusError> {
        let headers = &request.headers;
        if !has_token(headers, UPGRADE, "websocket") || !has_token(headers, CONNECTION, "upgrade") {
            return Err(StatusError::bad_request(
                "Upgrade request required: use a client that streams over WebSocket",
            ));
        }
        if headers
            .get(SEC_WEBSOCKET_VERSION)
            .is_none_or(|version| version != "13")
        {
            return Err(StatusError::bad_request("WebSocket version 13 is required"));
        }
        let key = headers
            .get(SEC_WEBSOCKET_KEY)
            .ok_or_else(|| StatusError::bad_request("the header Sec-WebSocket-Key is missing"))?;
        let protocol = protocols
            .iter()
            .find(|protocol| has_token(headers, SEC_WEBSOCKET_PROTOCOL, protocol));
        let protocol = protocol.ok_or_else(|| {
            StatusError::bad_request(format!(
                "no WebSocket subprotocol in common: the server speaks {}",
                protocols.join(", ")
            ))
        })?;
        let accept_key = derive_accept_key(key.as_bytes());
        let pending = request.extensions.remove::<OnUpgrade>();
        let pending = pending
            .ok_or_else(|| StatusError::bad_request("this connection cannot be upgraded"))?;
        Ok(Self {
            accept_key,
            protocol,
            pending,
        })
    }

    /// Answers 101 and runs `session` on the socket once the client has switched.
    pub(crate) fn accept<F, R>(self, session: F) -> Response
    where
        F: FnOnce(Socket, &'static str) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let protocol = self.protocol;
        let pending = self.pending;
        tokio::spawn(async move {
            // A client that goes away during the switch leaves nothing to serve.
            let Ok(upgraded) = pending.await else { return };
            let config = WebSocketConfig::default()
                .max_message_size(Some(LONGEST_MESSAGE))
                .max_frame_size(Some(LONGEST_MESSAGE));
            let stream = WebSocketStream::from_raw_socket(
                TokioIo::new(upgraded),
                Role::Server,
                Some(config),
            )
            .await;
            session(Socket::new(stream), protocol).await;
        });
        switching(&self.accept_key, protocol)
    }
}

fn switching(accept_key: &str, protocol: &'static str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    // The key is base64, always a valid header value.
    if let Ok(value) = HeaderValue::from_str(accept_key) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, value);
    }
    response
}

fn has_token(headers: &HeaderMap, name: http::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name);
    let mut tokens = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    tokens.any(|found| found.trim().eq_ignore_ascii_case(token))
}
