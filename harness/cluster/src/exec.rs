//! Running a command in a pod: its input, its output, how it ended, or that it was stopped.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{AttachParams, AttachedProcess};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::watch;

use crate::access::{ClusterAccess, PodRef};
use crate::error::{Error, Result};

/// Bytes of input that are under way at once: a program is copied in a moment, and a line of SQL needs no more room.
const LITTLE: usize = 1 << 10;
const MUCH: usize = 1 << 16;

/// A command for a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The pod.
    pub pod: PodRef,
    /// The container.
    pub container: String,
    /// Program and arguments; no secret belongs here, everybody on the node can read it.
    pub argv: Vec<String>,
    /// What it reads on standard input, then end of file.
    pub stdin: Vec<u8>,
}

impl Command {
    fn doing(&self) -> String {
        format!(
            "run {:?} in {} of pod {}",
            self.argv, self.container, self.pod
        )
    }
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit code; `None` when it was stopped.
    pub exit: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// From the request to the end.
    pub elapsed: Duration,
    /// Why it was stopped before it ended by itself.
    pub stopped: Option<String>,
}

impl Output {
    /// Standard output as text.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// A command under way. Dropping it closes its streams, by which the embedded node kills it; a
/// kubelet leaves a process alone that neither reads nor writes, so on real clusters a stopped
/// command is one that has a timeout of its own.
pub struct Running {
    process: AttachedProcess,
    stdin: Vec<u8>,
    started: Instant,
    doing: String,
    cluster: String,
    heard: watch::Sender<bool>,
}

impl ClusterAccess {
    /// Starts a command.
    ///
    /// # Errors
    /// The API server or the kubelet refuses; a program that does not exist shows in
    /// [`Running::finish`].
    pub async fn exec(&self, command: &Command) -> Result<Running> {
        let doing = command.doing();
        let parameters = AttachParams::default()
            .container(&command.container)
            .stdin(!command.stdin.is_empty())
            .max_stdin_buf_size(command.stdin.len().clamp(LITTLE, MUCH))
            .stdout(true)
            .stderr(true);
        let started = Instant::now();
        let process = self.attach(command, &parameters, &doing).await?;
        Ok(Running {
            process,
            stdin: command.stdin.clone(),
            started,
            doing,
            cluster: self.side.to_string(),
            heard: watch::Sender::new(false),
        })
    }

    /// Runs a command to its end.
    pub async fn run(&self, command: &Command) -> Result<Output> {
        self.exec(command).await?.finish().await
    }
}

/// Lines that a command prints while it runs. The command ends when this is dropped.
pub struct Lines {
    reader: tokio::io::Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
    /// Until it has come.
    status: Option<Ending>,
    process: Option<AttachedProcess>,
    doing: String,
    cluster: String,
}

impl Lines {
    /// The next line of standard output; `None` when the command closed it.
    ///
    /// # Errors
    /// The stream breaks.
    pub async fn next(&mut self) -> Result<Option<String>> {
        let line = match self.status.as_mut() {
            Some(status) => tokio::select! {
                biased;
                line = self.reader.next_line() => line,
                ended = status => {
                    if ended.is_none() {
                        let why = why_broken(self.process.take()).await;
                        return Err(self.broken(why));
                    }
                    self.status = None;
                    self.reader.next_line().await
                }
            },
            None => self.reader.next_line().await,
        };
        line.map_err(|error| self.broken(error.to_string()))
    }

    fn broken(&self, why: String) -> Error {
        broken(&self.cluster, &self.doing, why)
    }
}

impl ClusterAccess {
    /// Starts a command that prints lines until it is dropped.
    pub async fn exec_lines(&self, command: &Command) -> Result<Lines> {
        let Running {
            mut process,
            doing,
            cluster,
            ..
        } = self.exec(command).await?;
        let (Some(stdout), Some(status)) = (process.stdout(), process.take_status()) else {
            let why = "its standard output was already taken";
            return Err(broken(&cluster, &doing, why));
        };
        // What it says on standard error must be read, else it would stand still once that is full.
        if let Some(mut stderr) = process.stderr() {
            tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        }
        let stdout: Box<dyn AsyncRead + Send + Unpin> = Box::new(stdout);
        Ok(Lines {
            reader: BufReader::new(stdout).lines(),
            status: Some(status.boxed()),
            process: Some(process),
            doing,
            cluster,
        })
    }
}

/// A command that is written to and read from while it runs. It ends when `ended` is dropped.
pub struct Duplex {
    /// Its standard input, open until this is dropped.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output, byte by byte.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Comes when it has ended, with its last words. To be polled all the while.
    pub ended: BoxFuture<'static, String>,
}

/// How much of a command's output waits for its reader.
const WAITING: usize = 1024 * 1024;
/// How much of its standard error is kept.
const WORDS: usize = 4096;

impl ClusterAccess {
    /// Starts a command that answers what it is told; [`Command::stdin`] is not looked at.
    pub async fn exec_duplex(&self, command: &Command) -> Result<Duplex> {
        let doing = command.doing();
        let parameters = AttachParams::default()
            .container(&command.container)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .max_stdout_buf_size(WAITING);
        let mut process = self.attach(command, &parameters, &doing).await?;
        let (Some(stdin), Some(stdout), Some(stderr), Some(status)) = (
            process.stdin(),
            process.stdout(),
            process.stderr(),
            process.take_status(),
        ) else {
            let why = "its streams were already taken";
            return Err(broken(&self.side.to_string(), &doing, why));
        };
        let ended = async move {
            let mut words = Vec::new();
            let (read, status) = to_the_end(last_words(stderr, &mut words), status).await;
            let said = String::from_utf8_lossy(&words).trim().to_owned();
            match status {
                _ if !said.is_empty() => said,
                Some(status) if read.is_some() => self::words(&status),
                _ => why_broken(Some(process)).await,
            }
        };
        Ok(Duplex {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            ended: ended.boxed(),
        })
    }

    async fn attach(
        &self,
        command: &Command,
        parameters: &AttachParams,
        doing: &str,
    ) -> Result<AttachedProcess> {
        self.namespaced::<Pod>(&command.pod.namespace)
            .exec(&command.pod.name, &command.argv, parameters)
            .await
            .map_err(|error| self.api_error(doing, error))
    }
}

/// The streams of a command do not hold what they must.
fn broken(cluster: &str, doing: &str, why: impl Into<String>) -> Error {
    Error::Stream {
        cluster: cluster.to_owned(),
        doing: doing.to_owned(),
        why: why.into(),
    }
}

/// What a future returns that never does.
enum Never {}

/// How a command ended; `None` when its connection broke before that was told.
type Ending = BoxFuture<'static, Option<Status>>;

/// Reads a command's output to its end and learns how it ended.
///
/// The library leaves the output open for ever when the connection breaks, and then drops the status: that
/// ends the reading here, with what has come until then.
async fn to_the_end<T>(
    reading: impl Future<Output = T>,
    status: impl Future<Output = Option<Status>>,
) -> (Option<T>, Option<Status>) {
    let (mut reading, mut status) = (pin!(reading), pin!(status));
    tokio::select! {
        read = &mut reading => (Some(read), status.await),
        told = &mut status => match told {
            Some(told) => (Some(reading.await), Some(told)),
            // What came before the break is all there: one more look reads it.
            None => (reading.now_or_never(), None),
        },
    }
}

/// What the library found wrong with a connection that told no status.
async fn why_broken(process: Option<AttachedProcess>) -> String {
    let found = match process {
        Some(process) => process.join().await.err(),
        None => None,
    };
    found.map_or_else(
        || "the stream ended without an exit status".to_owned(),
        |error| format!("the stream broke before an exit status came: {error}"),
    )
}

/// What is said until the end; all of it must be read, else the command would stand still.
async fn last_words(mut from: impl AsyncRead + Unpin, words: &mut Vec<u8>) {
    let mut buffer = [0; 1024];
    loop {
        match from.read(&mut buffer).await {
            // A stream that breaks has said what it had to say.
            Ok(0) | Err(_) => break,
            Ok(length) => words.extend_from_slice(&buffer[..length]),
        }
        let more = words.len().saturating_sub(WORDS);
        words.drain(..more);
    }
}

impl Running {
    /// Becomes `true` with the command's first byte of output.
    pub fn heard(&self) -> watch::Receiver<bool> {
        self.heard.subscribe()
    }

    /// Waits for the command's end.
    pub async fn finish(self) -> Result<Output> {
        self.finish_or_stop(std::future::pending()).await
    }

    /// Waits for the command's end, or stops it when `stop` returns a reason.
    ///
    /// # Errors
    /// The stream breaks before a status came.
    pub async fn finish_or_stop(mut self, stop: impl Future<Output = String>) -> Result<Output> {
        let mut output = Output::default();
        let (Some(status), Some(stdout), Some(stderr)) = (
            self.process.take_status(),
            self.process.stdout(),
            self.process.stderr(),
        ) else {
            return Err(self.broken("the streams of this command were already taken"));
        };
        let input = std::mem::take(&mut self.stdin);
        let stdin = self.process.stdin();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A command that ends without reading all of it is not an error of ours.
                if stdin.write_all(&input).await.is_ok() {
                    let _ = stdin.shutdown().await;
                }
            }
            // The command's end is told by the status, never by its input.
            std::future::pending::<Never>().await
        };
        let drains = async {
            let (out, err) = tokio::join!(
                drain(stdout, &mut output.stdout, &self.heard),
                drain(stderr, &mut output.stderr, &self.heard),
            );
            out.and(err)
        };
        let ended = tokio::select! {
            ended = to_the_end(drains, status) => Ok(ended),
            reason = stop => Err(reason),
            never = feed => match never {},
        };
        output.elapsed = self.started.elapsed();
        match ended {
            Err(reason) => {
                self.process.abort();
                output.stopped = Some(reason);
                Ok(output)
            }
            Ok((Some(Err(error)), _)) => Err(self.broken(&error.to_string())),
            Ok((Some(Ok(())), Some(status))) => {
                output.exit = Some(exit_code(&status).ok_or_else(|| self.broken(&words(&status)))?);
                Ok(output)
            }
            Ok(_) => {
                let why = why_broken(Some(self.process)).await;
                Err(broken(&self.cluster, &self.doing, why))
            }
        }
    }

    fn broken(&self, why: &str) -> Error {
        broken(&self.cluster, &self.doing, why)
    }
}

async fn drain(
    mut from: impl AsyncRead + Unpin,
    to: &mut Vec<u8>,
    heard: &watch::Sender<bool>,
) -> std::io::Result<()> {
    while from.read_buf(to).await? > 0 {
        heard.send_if_modified(|heard| !std::mem::replace(heard, true));
    }
    Ok(())
}

/// The exit code in the status of a remote command: success is 0, else a cause `ExitCode` has it.
/// A status without one means that the command did not run.
fn exit_code(status: &Status) -> Option<i32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let cause = causes
        .iter()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"))?;
    cause.message.as_ref()?.parse().ok()
}

fn words(status: &Status) -> String {
    status
        .message
        .clone()
        .or_else(|| status.reason.clone())
        .unwrap_or_else(|| "it failed without a reason".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_the_exit_code_as_the_kubelet_writes_it() {
        let failed: Status = serde_json::from_value(json!({
            "status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated with exit code 7",
            "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
        }))
        .unwrap();
        assert_eq!(exit_code(&failed), Some(7));
        let success: Status = serde_json::from_value(json!({"status": "Success"})).unwrap();
        assert_eq!(exit_code(&success), Some(0));
        let absent: Status = serde_json::from_value(
            json!({"status": "Failure", "reason": "InternalError", "message": "no such file"}),
        )
        .unwrap();
        assert_eq!(exit_code(&absent), None);
    }
}
