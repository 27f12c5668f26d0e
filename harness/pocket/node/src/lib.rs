//! The node of the embedded clusters: namespaces, routers, sandboxes and containers in one child process.
//!
//! [`Node::start`] executes `/proc/self/exe` again under the name [`ARG0`]; `main` therefore begins with
//! [`entry`], before any thread exists. The child owns new user, network, mount and PID namespaces and
//! ends, with everything in it, when the parent does, however that happens.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod capture;
mod child;
pub mod counters;
mod error;
mod node;
mod process;
mod refusal;
pub mod rules;
mod spec;
mod sys;
mod terminal;
mod wire;

pub use child::entry;
pub use error::NodeError;
pub use node::Node;
pub use process::{Pipes, Process, Started};
pub use spec::{
    Cidr, ContainerSpec, ExecSpec, Exit, File, LinkEnd, LinkSpec, Mount, MountSource, NodeOptions,
    NotACidr, ProcessId, Program, RouterSpec, SandboxSpec, SocketSpec, Stdio,
};
pub use terminal::{Resizer, Size, Terminal};

/// `argv[0]` of the child.
pub const ARG0: &str = "meshproof-node";
