//! What can go wrong with the node.

use std::io;

use serde::{Deserialize, Serialize};

/// An error of the node, as its user sees it.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The machine does not let this user have namespaces. `--on kind` and `--on contexts` need none.
    #[error("{step}: {}, {hint}", io::Error::from_raw_os_error(*.errno))]
    NamespacesRefused {
        /// What was tried.
        step: String,
        /// What the kernel answered.
        errno: i32,
        /// How to allow it.
        hint: String,
    },
    /// The child could not be started.
    #[error("starting the node from /proc/self/exe: {0}")]
    Spawn(#[source] io::Error),
    /// The child was started from a program whose `main` does not call [`crate::entry`] first.
    #[error(
        "the node did not answer: {0}; `main` must call `meshproof_pocket_node::entry()` before anything else"
    )]
    NoAnswer(String),
    /// A program could not be executed in a container.
    #[error("starting {program:?}: {}", io::Error::from_raw_os_error(*.errno))]
    Exec {
        /// As written in `argv[0]`.
        program: String,
        /// `ENOENT`, `EACCES`, `ENOEXEC`, ...
        errno: i32,
    },
    /// A step of a request failed.
    #[error("{step}: {}", io::Error::from_raw_os_error(*.errno))]
    Failed {
        /// What was being done, to what.
        step: String,
        /// What the kernel answered.
        errno: i32,
    },
    /// The request does not fit what there is.
    #[error("{0}")]
    Refused(String),
    /// `nft` did not accept a ruleset.
    #[error("nft refused the ruleset for {netns}: {message}")]
    Nft {
        /// Name of the router or sandbox.
        netns: String,
        /// What it printed.
        message: String,
    },
    /// A message does not fit one datagram.
    #[error("a request of {found} bytes exceeds {limit}, pass big contents as `files` or `mounts`")]
    TooLarge {
        /// Bytes.
        found: usize,
        /// Bytes.
        limit: usize,
    },
    /// A path or an argument that is not UTF-8.
    #[error("a request cannot be written as JSON: {0}")]
    NotText(#[source] serde_json::Error),
    /// An operation on the parent's side.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The child has ended, with everything in it.
    #[error("the node has ended")]
    Gone,
}

impl NodeError {
    /// The error number, where the kernel gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::NamespacesRefused { errno, .. }
            | Self::Exec { errno, .. }
            | Self::Failed { errno, .. } => Some(*errno),
            Self::Spawn(source) | Self::Io { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// A failure as the child reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Failure {
    /// See [`NodeError::Exec`].
    #[error("exec {program}: errno {errno}")]
    Exec { program: String, errno: i32 },
    /// See [`NodeError::Failed`].
    #[error("{step}: errno {errno}")]
    Step { step: String, errno: i32 },
    /// See [`NodeError::Refused`].
    #[error("{0}")]
    Refused(String),
    /// See [`NodeError::Nft`].
    #[error("nft in {netns}: {message}")]
    Nft { netns: String, message: String },
}

impl From<Failure> for NodeError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Exec { program, errno } => Self::Exec { program, errno },
            Failure::Step { step, errno } => Self::Failed { step, errno },
            Failure::Refused(why) => Self::Refused(why),
            Failure::Nft { netns, message } => Self::Nft { netns, message },
        }
    }
}

impl Failure {
    pub(crate) fn step(step: impl Into<String>, errno: i32) -> Self {
        Self::Step {
            step: step.into(),
            errno,
        }
    }
}

/// Gives a failed system call the name of the step.
pub(crate) trait Step<T> {
    /// `step` says what was being done, to what.
    fn step(self, step: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> Step<T> for Result<T, rustix::io::Errno> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|e| Failure::step(step(), e.raw_os_error()))
    }
}

impl<T> Step<T> for Result<T, nix::errno::Errno> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|e| Failure::step(step(), e as i32))
    }
}

impl<T> Step<T> for Result<T, io::Error> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|e| Failure::step(step(), e.raw_os_error().unwrap_or(nix::libc::EIO)))
    }
}
