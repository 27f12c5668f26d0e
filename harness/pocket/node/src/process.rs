//! Handles on programs that run in the node.

use std::io;

use tokio::net::UnixListener;
use tokio::net::unix::pipe;
use tokio::sync::watch;

use crate::error::NodeError;
use crate::spec::{Exit, ProcessId, Stdio};

/// A program that the node started; cheap to clone. Dropping it does not end the program.
#[derive(Clone, Debug)]
pub struct Process {
    pub(crate) id: ProcessId,
    pub(crate) exit: watch::Receiver<Option<Exit>>,
}

impl Process {
    /// Names it in requests.
    pub fn id(&self) -> ProcessId {
        self.id
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Waits until it has ended. [`NodeError::Gone`] when the whole node ended before that was seen.
    pub async fn wait(&self) -> Result<Exit, NodeError> {
        let mut exit = self.exit.clone();
        let seen = exit
            .wait_for(Option::is_some)
            .await
            .map_err(|_| NodeError::Gone)?;
        (*seen).ok_or(NodeError::Gone)
    }
}

/// A container that has executed its program.
#[derive(Debug)]
pub struct Started {
    /// The program; its id is also the container's.
    pub process: Process,
    /// The listeners that the specification asked for, in its order.
    pub listeners: Vec<UnixListener>,
}

/// The parent's ends of a program's streams.
#[derive(Debug)]
pub struct Pipes {
    /// Standard input.
    pub stdin: pipe::Sender,
    /// Standard output.
    pub stdout: pipe::Receiver,
    /// Standard error.
    pub stderr: pipe::Receiver,
}

impl Stdio {
    /// Three pipes. Needs a tokio runtime with I/O.
    pub fn pipes() -> io::Result<(Self, Pipes)> {
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let ((stdin, feed), (out, stdout), (err, stderr)) = (pipe()?, pipe()?, pipe()?);
        let pipes = Pipes {
            stdin: pipe::Sender::from_owned_fd(feed)?,
            stdout: pipe::Receiver::from_owned_fd(out)?,
            stderr: pipe::Receiver::from_owned_fd(err)?,
        };
        Ok((
            Self {
                stdin: Some(stdin),
                stdout: Some(stdout),
                stderr: Some(stderr),
            },
            pipes,
        ))
    }
}
