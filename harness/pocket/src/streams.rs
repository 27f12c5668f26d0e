//! Reaching into pods for the API server: logs, exec, port-forward.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use meshproof_pocket_api::{
    AsyncReadWrite, ExecOptions, ExecSession, LogOptions, StatusError, Streams, TerminalSize,
};
use meshproof_pocket_node::{ExecSpec, Node, NodeError, Process, ProcessId, Size, Stdio, Terminal};
use tokio::sync::mpsc;

use crate::kubelet::{Kubelet, Pod};

/// A terminal before its client has told a size.
const SIZE: Size = Size {
    rows: 24,
    columns: 80,
};
const SIGKILL: i32 = 9;

/// The pods of one cluster, for its API server.
pub(crate) struct PodStreams(pub Arc<Kubelet>);

impl PodStreams {
    fn pod(&self, namespace: &str, name: &str) -> Result<Arc<Pod>, StatusError> {
        self.0.pod(namespace, name).ok_or_else(|| {
            StatusError::bad_request(format!("pod {name} does not have a host assigned"))
        })
    }

    async fn start(
        &self,
        namespace: &str,
        name: &str,
        options: ExecOptions,
    ) -> Result<ExecSession, StatusError> {
        let pod = self.pod(namespace, name)?;
        let running = pod
            .instance(&options.container)
            .and_then(|i| i.process)
            .filter(|p| p.exit().is_none());
        let Some(container) = running else {
            return Err(StatusError::internal(format!(
                "container not found (\"{}\")",
                options.container
            )));
        };
        let spec = ExecSpec {
            argv: options.command.clone(),
            tty: options.tty,
            ..ExecSpec::default()
        };
        let node = self.0.node().clone();
        if options.tty {
            on_terminal(node, container.id(), spec).await
        } else {
            on_pipes(node, container.id(), spec, &options).await
        }
    }
}

impl Streams for PodStreams {
    fn logs<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        options: LogOptions,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Bytes, io::Error>>, StatusError>> {
        async move {
            let instance = self.pod(namespace, pod)?.instance(&options.container);
            let log = match instance {
                Some(i) if options.previous => i.previous.ok_or_else(|| {
                    StatusError::bad_request(format!(
                        "previous terminated container \"{}\" in pod \"{pod}\" not found",
                        options.container
                    ))
                })?,
                Some(i) => i.log,
                None => {
                    return Err(StatusError::bad_request(format!(
                        "container \"{}\" in pod \"{pod}\" is waiting to start: ContainerCreating",
                        options.container
                    )));
                }
            };
            Ok(log.read(&options).boxed())
        }
        .boxed()
    }

    fn exec<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        options: ExecOptions,
    ) -> BoxFuture<'a, Result<ExecSession, StatusError>> {
        self.start(namespace, pod, options).boxed()
    }

    fn port_forward<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn AsyncReadWrite>, StatusError>> {
        async move {
            let stream = self
                .pod(namespace, pod)?
                .connect(port)
                .await
                .map_err(|e| StatusError::internal(e.to_string()))?;
            Ok(Box::new(stream) as Box<dyn AsyncReadWrite>)
        }
        .boxed()
    }
}

fn internal(error: impl std::fmt::Display) -> StatusError {
    StatusError::internal(error.to_string())
}

async fn on_pipes(
    node: Node,
    container: ProcessId,
    spec: ExecSpec,
    options: &ExecOptions,
) -> Result<ExecSession, StatusError> {
    let (mut stdio, pipes) = Stdio::pipes().map_err(internal)?;
    if !options.stdin {
        stdio.stdin = None;
    }
    let process = node.exec(container, spec, stdio).await.map_err(internal)?;
    let guard = EndOnDrop {
        node,
        process: Some(process.clone()),
    };
    Ok(ExecSession {
        stdin: options.stdin.then(|| Box::new(pipes.stdin) as _),
        stdout: options.stdout.then(|| Box::new(pipes.stdout) as _),
        stderr: options.stderr.then(|| Box::new(pipes.stderr) as _),
        resize: None,
        exit: exit(process, guard),
    })
}

async fn on_terminal(
    node: Node,
    container: ProcessId,
    spec: ExecSpec,
) -> Result<ExecSession, StatusError> {
    let (terminal, stdio) = Terminal::open(SIZE).map_err(internal)?;
    let resizer = terminal.resizer().map_err(internal)?;
    let process = node.exec(container, spec, stdio).await.map_err(internal)?;
    let (resize, mut sizes) = mpsc::channel::<TerminalSize>(4);
    tokio::spawn(async move {
        while let Some(size) = sizes.recv().await {
            // A terminal whose program has ended takes no size, and needs none.
            drop(resizer.resize(Size {
                rows: size.height,
                columns: size.width,
            }));
        }
    });
    let guard = EndOnDrop {
        node,
        process: Some(process.clone()),
    };
    let (read, write) = tokio::io::split(terminal);
    Ok(ExecSession {
        stdin: Some(Box::new(write)),
        stdout: Some(Box::new(read)),
        stderr: None,
        resize: Some(resize),
        exit: exit(process, guard),
    })
}

fn exit(process: Process, guard: EndOnDrop) -> BoxFuture<'static, Result<i32, StatusError>> {
    async move {
        let exit = process.wait().await;
        guard.disarm();
        match exit {
            Ok(exit) => Ok(exit.shell_code()),
            Err(NodeError::Gone) => Err(internal("the node has ended")),
            Err(error) => Err(internal(error)),
        }
    }
    .boxed()
}

/// Ends a program whose client has gone.
struct EndOnDrop {
    node: Node,
    process: Option<Process>,
}

impl EndOnDrop {
    /// The program has ended by itself.
    fn disarm(mut self) {
        self.process = None;
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        let Some(process) = self.process.take().filter(|p| p.exit().is_none()) else {
            return;
        };
        let node = self.node.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // When the node is gone, so is the program.
            runtime.spawn(async move { drop(node.signal(process.id(), SIGKILL).await) });
        }
    }
}
