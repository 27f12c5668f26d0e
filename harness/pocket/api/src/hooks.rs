//! What the API server asks of the rest of the embedded cluster.
//!
//! [`Admission`] may change or refuse a write (sidecar injection, the mesh's own
//! checks); [`Streams`] reaches into running pods (logs, exec, port-forward).

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::kinds::Kind;
use crate::status::StatusError;

/// The write that is about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A new object.
    Create,
    /// A change of `metadata` or `spec` (PUT or PATCH).
    Update,
    /// A change of the `status` subresource; only `status` counts.
    UpdateStatus,
    /// A deletion; `object` is the object that goes.
    Delete,
}

/// One write as [`Admission`] sees it: after defaults, before the store.
#[derive(Debug)]
pub struct AdmissionRequest<'a> {
    /// What happens.
    pub operation: Operation,
    /// The kind written.
    pub kind: Kind,
    /// The API version the client used, such as `networking.istio.io/v1alpha3`.
    pub api_version: &'a str,
    /// Namespace, empty for cluster-scoped kinds.
    pub namespace: &'a str,
    /// The new object; admission may change it (ignored for `Delete`).
    pub object: &'a mut Value,
    /// What is stored now, if anything.
    pub old: Option<&'a Value>,
    /// Nothing will be stored; admission must have no lasting effect.
    pub dry_run: bool,
}

/// Texts for the `Warning` header of the response.
pub type Warnings = Vec<String>;

/// May change or refuse writes that come through the API.
pub trait Admission: Send + Sync {
    /// Called for each write that comes through the API, never for [`crate::Store`]'s own methods.
    fn admit(&self, request: AdmissionRequest<'_>) -> Result<Warnings, StatusError>;
}

/// Admits everything unchanged.
#[derive(Debug, Clone, Copy, Default)]
pub struct AdmitAll;

impl Admission for AdmitAll {
    fn admit(&self, _request: AdmissionRequest<'_>) -> Result<Warnings, StatusError> {
        Ok(Warnings::new())
    }
}

/// Query of `pods/log`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Container, resolved by the API server (never empty).
    pub container: String,
    /// Go on until the container ends.
    pub follow: bool,
    /// Only the last so many lines.
    pub tail_lines: Option<u64>,
    /// Only lines of the last so many seconds.
    pub since_seconds: Option<i64>,
    /// Only lines after this RFC 3339 time.
    pub since_time: Option<String>,
    /// Prefix each line with its RFC 3339 time with nanoseconds.
    pub timestamps: bool,
    /// Lines of the instance before the last restart.
    pub previous: bool,
    /// Stop after so many bytes.
    pub limit_bytes: Option<u64>,
}

/// Query of `pods/exec` and `pods/attach`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // the four flags of PodExecOptions
pub struct ExecOptions {
    /// Container, resolved by the API server (never empty).
    pub container: String,
    /// Program and arguments; empty for attach.
    pub command: Vec<String>,
    /// The client sends standard input.
    pub stdin: bool,
    /// The client wants standard output.
    pub stdout: bool,
    /// The client wants standard error.
    pub stderr: bool,
    /// Run on a terminal; output comes on `stdout` alone.
    pub tty: bool,
}

/// Size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// How a process ended. A signal is reported as shells do: 128 + number.
pub type ExitCode = i32;

/// A boxed reading end.
pub type BoxRead = Box<dyn AsyncRead + Send + Unpin>;
/// A boxed writing end.
pub type BoxWrite = Box<dyn AsyncWrite + Send + Unpin>;

/// A stream to a port in a pod.
pub trait AsyncReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> AsyncReadWrite for T {}

/// A running process in a container. Dropping it is the client's going away:
/// the implementation ends the process then.
pub struct ExecSession {
    /// Standard input; dropped by the server to signal end of input.
    pub stdin: Option<BoxWrite>,
    /// Standard output, or the terminal.
    pub stdout: Option<BoxRead>,
    /// Standard error; `None` with a terminal.
    pub stderr: Option<BoxRead>,
    /// Takes terminal sizes; `None` without a terminal.
    pub resize: Option<mpsc::Sender<TerminalSize>>,
    /// Resolves when the process has ended; output that was written before is still in the pipes.
    pub exit: BoxFuture<'static, Result<ExitCode, StatusError>>,
}

/// Reaches into running pods. The API server has checked that pod and container exist.
pub trait Streams: Send + Sync {
    /// The container's log, ending at its end or, without `follow`, at what there is now.
    fn logs<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes, std::io::Error>>, StatusError>>;

    /// Starts a process in a container.
    fn exec<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        options: ExecOptions,
    ) -> BoxFuture<'a, Result<ExecSession, StatusError>>;

    /// Attaches to a container's main process.
    fn attach<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        options: ExecOptions,
    ) -> BoxFuture<'a, Result<ExecSession, StatusError>> {
        let _ = (namespace, pod, options);
        Box::pin(async {
            Err(StatusError::not_implemented(
                "attach is not available in embedded clusters; use exec",
            ))
        })
    }

    /// Connects to a TCP port on the pod's loopback address.
    fn port_forward<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn AsyncReadWrite>, StatusError>>;
}

/// No pod can be reached: for servers without a node.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoStreams;

impl NoStreams {
    fn refuse<T: Send + 'static>(pod: &str) -> BoxFuture<'static, Result<T, StatusError>> {
        let error = StatusError::bad_request(format!("pod {pod} does not have a host assigned"));
        Box::pin(async move { Err(error) })
    }
}

impl Streams for NoStreams {
    fn logs<'a>(
        &'a self,
        _namespace: &'a str,
        pod: &'a str,
        _options: LogOptions,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes, std::io::Error>>, StatusError>> {
        Self::refuse(pod)
    }

    fn exec<'a>(
        &'a self,
        _namespace: &'a str,
        pod: &'a str,
        _options: ExecOptions,
    ) -> BoxFuture<'a, Result<ExecSession, StatusError>> {
        Self::refuse(pod)
    }

    fn port_forward<'a>(
        &'a self,
        _namespace: &'a str,
        pod: &'a str,
        _port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn AsyncReadWrite>, StatusError>> {
        Self::refuse(pod)
    }
}

/// Both hooks, as handed to the server.
#[derive(Clone)]
pub(crate) struct Hooks {
    /// Changes or refuses writes.
    pub admission: Arc<dyn Admission>,
    /// Reaches into pods.
    pub streams: Arc<dyn Streams>,
}
