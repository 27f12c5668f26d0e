//! The table of started programs, and what they report.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::unistd::Pid;

use super::launch::{Launched, Report};
use crate::error::Failure;
use crate::wire;

/// A program that was started and has not been reaped.
pub(super) struct Running {
    /// The call that started it, and its name.
    pub(super) id: u64,
    /// The sandbox it is in.
    pub(super) sandbox: String,
    pub(super) role: Role,
    /// Until its program is executed.
    report: Option<OwnedFd>,
    listeners: Vec<OwnedFd>,
    /// It never got to execute its program.
    pub(super) failed: bool,
}

pub(super) enum Role {
    Container {
        /// Descriptor of the first process.
        first: OwnedFd,
        env: Vec<(String, String)>,
        cwd: Option<PathBuf>,
    },
    Exec,
    Nft {
        output: OwnedFd,
    },
}

/// What became known from a report.
pub(super) enum News {
    /// Nothing to tell yet.
    Nothing,
    /// The program was executed.
    Executed(Vec<OwnedFd>),
    /// It could not be.
    Failed(Failure),
}

impl Running {
    pub(super) fn new(id: u64, sandbox: &str, role: Role, report: OwnedFd) -> Self {
        let sandbox = sandbox.to_owned();
        Self {
            id,
            sandbox,
            role,
            report: Some(report),
            listeners: Vec::new(),
            failed: false,
        }
    }

    /// Reads one report; blocks until there is one.
    pub(super) fn read(&mut self) -> News {
        let Some(report) = &self.report else {
            return News::Nothing;
        };
        let mut buffer = vec![0; 64 * 1024];
        let received = wire::receive(report, &mut buffer);
        let message = match &received {
            Ok(Some((length, _))) => wire::decode(&buffer[..*length]),
            Ok(None) => {
                self.report = None;
                return News::Executed(std::mem::take(&mut self.listeners));
            }
            Err(e) => Err(std::io::Error::new(e.kind(), e.to_string())),
        };
        match (message, received) {
            (Ok(Report::Listening), Ok(Some((_, fds)))) => {
                self.listeners = fds;
                News::Nothing
            }
            (Ok(Report::Failed(failure)), _) => self.fail(failure),
            (Err(e), _) => self.fail(Failure::step(
                format!("reading a report ({e})"),
                libc::EPROTO,
            )),
            (Ok(Report::Listening), _) => {
                self.fail(Failure::step("reading a report", libc::EPROTO))
            }
        }
    }

    fn fail(&mut self, failure: Failure) -> News {
        (self.report, self.failed) = (None, true);
        News::Failed(failure)
    }

    /// Whether it has yet to execute its program.
    pub(super) fn is_starting(&self) -> bool {
        self.report.is_some()
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Processes(HashMap<Pid, Running>);

impl Processes {
    pub(super) fn add(&mut self, launched: Launched, id: u64, sandbox: &str, role: Role) {
        self.0.insert(
            launched.pid,
            Running::new(id, sandbox, role, launched.report),
        );
    }

    /// Those whose reports are awaited.
    pub(super) fn reports(&self) -> Vec<(Pid, BorrowedFd<'_>)> {
        self.0
            .iter()
            .filter_map(|(pid, running)| Some((*pid, running.report.as_ref()?.as_fd())))
            .collect()
    }

    pub(super) fn get_mut(&mut self, pid: Pid) -> Option<&mut Running> {
        self.0.get_mut(&pid)
    }

    pub(super) fn remove(&mut self, pid: Pid) -> Option<Running> {
        self.0.remove(&pid)
    }

    pub(super) fn find(&self, id: u64) -> Option<(Pid, &Running)> {
        self.0
            .iter()
            .find(|(_, running)| running.id == id)
            .map(|(pid, running)| (*pid, running))
    }

    /// Process ids of all that are in a sandbox.
    pub(super) fn inside(&self, sandbox: &str) -> Vec<Pid> {
        self.0
            .iter()
            .filter(|(_, running)| running.sandbox == sandbox)
            .map(|(pid, _)| *pid)
            .collect()
    }
}
