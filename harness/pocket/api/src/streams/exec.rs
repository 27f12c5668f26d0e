//! Exec and attach: channels 0 to 4 of the remote command protocol, 255 to close one (v5).

use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::V5;
use super::socket::{Gone, Receiver, Socket};
use crate::hooks::{BoxWrite, ExecSession, ExitCode, TerminalSize};
use crate::status::StatusError;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// How long a client that was told the end may take to hang up.
const GOODBYE: Duration = Duration::from_secs(10);

/// Serves one process until it ends or the client goes.
pub(crate) async fn run(socket: Socket, protocol: &'static str, session: ExecSession) {
    let ExecSession {
        stdin,
        stdout,
        stderr,
        resize,
        exit,
    } = session;
    let Socket { sender, receiver } = socket;
    let output = async {
        let out = async {
            match stdout {
                Some(stdout) => sender.copy_from(STDOUT, stdout).await,
                None => Ok(()),
            }
        };
        let errors = async {
            match stderr {
                Some(stderr) => sender.copy_from(STDERR, stderr).await,
                None => Ok(()),
            }
        };
        let (out, errors) = tokio::join!(out, errors);
        out.and(errors)?;
        let status = status(exit.await);
        sender.send(ERROR, status.to_string().as_bytes()).await
    };
    let input = feed(
        receiver,
        Input {
            stdin,
            resize,
            closes: protocol == V5,
        },
    );
    let mut input = pin!(input);
    // The client's going away ends the session, and dropping the session's ends its process.
    let finished: Result<(), Gone> = tokio::select! {
        finished = output => finished,
        () = &mut input => Err(Gone),
    };
    if finished.is_ok() {
        sender.close().await;
        // A client may still be sending input, or its end, to a process that has ended. Hung up on, it would
        // fail over that and never read the status.
        let _slow = tokio::time::timeout(GOODBYE, input).await;
    }
}

struct Input {
    stdin: Option<BoxWrite>,
    resize: Option<mpsc::Sender<TerminalSize>>,
    closes: bool,
}

/// Passes the client's messages on; returns when the client is gone.
async fn feed(mut receiver: Receiver, mut input: Input) {
    while let Some((channel, bytes)) = receiver.next().await {
        match channel {
            STDIN => {
                if let Some(stdin) = input.stdin.as_mut()
                    && (stdin.write_all(&bytes).await.is_err() || stdin.flush().await.is_err())
                {
                    // The process no longer reads; what else comes is dropped, as by a pipe.
                    input.stdin = None;
                }
            }
            RESIZE => {
                if let (Some(resize), Ok(size)) = (&input.resize, serde_json::from_slice(&bytes)) {
                    // A process that ended has no terminal to resize.
                    let _ended = resize.send(size).await;
                }
            }
            CLOSE if input.closes && bytes.first() == Some(&STDIN) => {
                if let Some(mut stdin) = input.stdin.take() {
                    // Closing a pipe whose reader is gone fails; it is closed all the same.
                    let _closed = stdin.shutdown().await;
                }
            }
            // Other channels are none of the client's.
            _ => {}
        }
    }
}

/// What the error channel says at the end.
fn status(exit: Result<ExitCode, StatusError>) -> Value {
    match exit {
        Ok(0) => json!({ "metadata": {}, "status": "Success" }),
        Ok(code) => json!({
            "metadata": {},
            "status": "Failure",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "reason": "NonZeroExitCode",
            "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
        }),
        Err(error) => error.to_value(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_told_as_kubernetes_does() {
        assert_eq!(status(Ok(0))["status"], "Success");
        let failed = status(Ok(7));
        assert_eq!(failed["reason"], "NonZeroExitCode");
        assert_eq!(failed["details"]["causes"][0]["message"], "7");
    }
}
