//! The child: owner of the namespaces.
//!
//! Two processes. The outer one makes the namespaces, forks the first process of the new PID namespace
//! and ends with it. The inner one, process 1, is reaper and agent; it has one thread and waits in one
//! `poll`. It ends when the lifeline or the outer process does, and the kernel then kills all others.

mod agent;
mod copy;
mod launch;
mod namespaces;
mod netlink;
mod network;
mod processes;
mod root;
mod setup;
mod sockets;

use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};

use crate::error::{Failure, NodeError, Step};
use crate::spec::Program;
use crate::wire::{self, Event};
use crate::{ARG0, sys};

/// Becomes the node if the program was started as such, and then never returns.
///
/// Call it first in `main`, before any thread exists.
pub fn entry() {
    let mut arguments = std::env::args_os();
    if arguments.next().is_none_or(|name| name != ARG0) {
        return;
    }
    let nft = arguments
        .next()
        .and_then(|text| serde_json::from_str(text.to_str()?).ok());
    let Some((nft, ties)) = nft.zip(Ties::take().ok()) else {
        sys::exit_now(2);
    };
    sys::exit_now(outer(nft, ties));
}

/// What ties the child to its parent.
struct Ties {
    socket: OwnedFd,
    lifeline: OwnedFd,
}

impl Ties {
    /// They come as standard input and output, which are `/dev/null` afterwards.
    fn take() -> std::io::Result<Self> {
        let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
        let lifeline = std::io::stdout().as_fd().try_clone_to_owned()?;
        let null = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")?;
        rustix::stdio::dup2_stdin(&null)?;
        rustix::stdio::dup2_stdout(&null)?;
        Ok(Self { socket, lifeline })
    }

    fn say(&self, event: &Event) -> Result<(), NodeError> {
        let bytes = wire::encode(event)?;
        wire::send(&self.socket, &bytes, &[]).map_err(NodeError::io("answering"))
    }

    fn refuse(&self, failure: Failure) {
        let (step, errno) = match failure {
            Failure::Step { step, errno } => (step, errno),
            other => (other.to_string(), 0),
        };
        // If nobody hears it, nobody is there.
        drop(self.say(&Event::Refused { step, errno }));
    }
}

/// Returns the exit code.
fn outer(nft: Program, ties: Ties) -> i32 {
    match separate() {
        Ok((first, keeper)) => {
            let Some(first) = first else {
                inner(nft, &ties, &keeper)
            };
            // The parent is to see the end of process 1 on the socket, and the lifeline is not ours to hold.
            drop(ties);
            let code = wait_for(first);
            drop(keeper);
            code
        }
        Err(failure) => {
            ties.refuse(failure);
            1
        }
    }
}

/// In the outer process: process 1 and the pipe end that process 1 watches. In process 1: no process, its end.
fn separate() -> Result<(Option<Pid>, OwnedFd), Failure> {
    namespaces()?;
    let (watched, kept) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .step(|| "making a pipe".into())?;
    match sys::fork().step(|| "starting process 1".to_owned())? {
        ForkResult::Parent { child } => Ok((Some(child), kept)),
        ForkResult::Child => Ok((None, watched)),
    }
}

/// One user and one group are mapped, to 0: that needs no privilege.
fn namespaces() -> Result<(), Failure> {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let all = [
        (CloneFlags::CLONE_NEWUSER, "user"),
        (CloneFlags::CLONE_NEWNS, "mount"),
        (CloneFlags::CLONE_NEWPID, "PID"),
        (CloneFlags::CLONE_NEWNET, "network"),
        (
            CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC,
            "UTS and IPC",
        ),
    ];
    for (number, (flag, name)) in all.into_iter().enumerate() {
        unshare(flag).step(|| format!("making a {name} namespace"))?;
        if number == 0 {
            write("/proc/self/setgroups", "deny")?;
            write("/proc/self/uid_map", &format!("0 {user} 1"))?;
            write("/proc/self/gid_map", &format!("0 {group} 1"))?;
        }
    }
    Ok(())
}

fn write(path: &str, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).step(|| format!("writing {text:?} to {path}"))
}

fn wait_for(process: Pid) -> i32 {
    loop {
        match waitpid(process, None) {
            Ok(WaitStatus::Exited(_, code)) => return code,
            Ok(WaitStatus::Signaled(_, signal, _)) => return 128 + signal as i32,
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return 1,
        }
    }
}

fn inner(nft: Program, ties: &Ties, keeper: &OwnedFd) -> ! {
    // The pipe covers the moment before this; this covers the moments in which nobody polls.
    let kill = Some(rustix::process::Signal::KILL);
    let made = rustix::process::set_parent_process_death_signal(kill)
        .step(|| "tying process 1 to its parent".to_owned())
        .and_then(|()| setup::host());
    let agent = match made.and_then(|host| agent::Agent::new(nft, host)) {
        Ok(agent) => agent,
        Err(failure) => {
            ties.refuse(failure);
            sys::exit_now(1)
        }
    };
    let ended = ties.say(&Event::Ready).and_then(|()| {
        agent
            .run(ties, keeper)
            .map_err(NodeError::io("waiting for requests"))
    });
    sys::exit_now(i32::from(ended.is_err()))
}
