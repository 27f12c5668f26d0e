//! Visits to namespaces other than process 1's own.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, setns, unshare};

use crate::error::{Failure, Step};

/// The namespaces that containers of a sandbox have in common.
#[derive(Debug)]
pub(super) struct Namespaces {
    pub(super) net: OwnedFd,
    pub(super) uts: OwnedFd,
    pub(super) ipc: OwnedFd,
}

impl Namespaces {
    /// Those of the caller.
    pub(super) fn own() -> Result<Self, Failure> {
        Ok(Self {
            net: open("net")?,
            uts: open("uts")?,
            ipc: open("ipc")?,
        })
    }

    /// New ones; the caller is back in `home` afterwards. `inside` runs in the new ones.
    pub(super) fn new<T>(
        home: &Self,
        inside: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<(Self, T), Failure> {
        let flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
        unshare(flags).step(|| "making network, UTS and IPC namespaces".to_owned())?;
        let made = Self::own().and_then(|own| Ok((own, inside()?)));
        home.enter()?;
        made
    }

    /// Moves the caller into them.
    pub(super) fn enter(&self) -> Result<(), Failure> {
        join(&self.net, CloneFlags::CLONE_NEWNET)?;
        join(&self.uts, CloneFlags::CLONE_NEWUTS)?;
        join(&self.ipc, CloneFlags::CLONE_NEWIPC)
    }

    /// Runs something in their network namespace; the caller is back in `home` afterwards.
    pub(super) fn visit<T>(
        &self,
        home: &Self,
        inside: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        join(&self.net, CloneFlags::CLONE_NEWNET)?;
        let result = inside();
        join(&home.net, CloneFlags::CLONE_NEWNET)?;
        result
    }
}

fn open(name: &str) -> Result<OwnedFd, Failure> {
    let path = format!("/proc/self/ns/{name}");
    File::open(&path)
        .map(Into::into)
        .step(|| format!("opening {path}"))
}

/// The PID namespace that the caller's children are born in by default.
pub(super) fn own_pid() -> Result<OwnedFd, Failure> {
    open("pid")
}

pub(super) fn join(namespace: impl AsFd, kind: CloneFlags) -> Result<(), Failure> {
    setns(namespace, kind).step(|| format!("joining namespaces ({kind:?})"))
}
