//! Process 1: answers the parent's calls and reaps what ends.

use std::collections::HashMap;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};

use super::Ties;
use super::launch::{self, Container, Given};
use super::namespaces::{Namespaces, own_pid};
use super::netlink::{Batch, Netlink};
use super::network::{self, Network};
use super::processes::{News, Processes, Role, Running};
use super::setup::{Host, make_directory};
use super::sockets;
use crate::error::{Failure, Step};
use crate::spec::{
    ContainerSpec, ExecSpec, Exit, LinkSpec, MountSource, ProcessId, Program, SandboxSpec,
};
use crate::wire::{self, Call, Event, FileSlice, Request, Streams};

/// First interface number on routers; `lo` is 1.
const FIRST_INDEX: u32 = 100;

pub(super) struct Agent {
    nft: Program,
    host: Host,
    home: Namespaces,
    own_pid: OwnedFd,
    sandboxes: HashMap<String, Sandbox>,
    processes: Processes,
    next_index: u32,
}

/// A router or a pod.
struct Sandbox {
    network: Network,
    hostname: String,
    /// Of a pod: its router and its interface there.
    hangs_on: Option<(String, u32)>,
    /// Directory of the directories that its containers share.
    shared: PathBuf,
    /// The call that removes it.
    removal: Option<u64>,
}

/// What a call leads to.
enum Outcome {
    /// An answer now, with descriptors.
    Answer(Vec<OwnedFd>),
    /// An answer when a program was executed or has ended.
    Later,
}

type Answered = Result<Outcome, Failure>;

fn done(result: Result<(), Failure>) -> Answered {
    result.map(|()| Outcome::Answer(Vec::new()))
}

impl Agent {
    pub(super) fn new(nft: Program, host: Host) -> Result<Self, Failure> {
        let (home, own_pid) = (Namespaces::own()?, own_pid()?);
        let (sandboxes, processes) = (HashMap::new(), Processes::default());
        Ok(Self {
            nft,
            host,
            home,
            own_pid,
            sandboxes,
            processes,
            next_index: FIRST_INDEX,
        })
    }

    /// Returns when the lifeline or the outer process has ended.
    pub(super) fn run(mut self, ties: &Ties, keeper: &OwnedFd) -> io::Result<()> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGCHLD);
        signals.thread_block()?;
        let children =
            SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let mut buffer = vec![0; wire::LIMIT];
        loop {
            let reports = self.processes.reports();
            let fixed = [
                ties.lifeline.as_fd(),
                keeper.as_fd(),
                ties.socket.as_fd(),
                children.as_fd(),
            ];
            let all = fixed.into_iter().chain(reports.iter().map(|(_, fd)| *fd));
            let mut fds: Vec<_> = all
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
                .collect();
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            let told = reports.iter().zip(&ready[4..]).filter(|(_, ready)| **ready);
            let told: Vec<Pid> = told.map(|((pid, _), _)| *pid).collect();
            if ready[0] || ready[1] {
                return Ok(());
            }
            told.into_iter()
                .try_for_each(|pid| self.report(ties, pid))?;
            if ready[3] {
                while children.read_signal()?.is_some() {}
                self.reap(ties)?;
            }
            if ready[2] {
                let Some((length, fds)) = wire::receive(&ties.socket, &mut buffer)? else {
                    return Ok(());
                };
                self.call(ties, &buffer[..length], fds)?;
            }
        }
    }

    fn call(&mut self, ties: &Ties, bytes: &[u8], fds: Vec<OwnedFd>) -> io::Result<()> {
        let Call { id, request } = wire::decode(bytes)?;
        match self.handle(id, request, fds) {
            Ok(Outcome::Answer(fds)) => reply(ties, id, Ok(()), &fds),
            Ok(Outcome::Later) => Ok(()),
            Err(failure) => reply(ties, id, Err(failure), &[]),
        }
    }

    fn handle(&mut self, id: u64, request: Request, fds: Vec<OwnedFd>) -> Answered {
        match request {
            Request::CreateRouter(spec) => {
                self.free(&spec.name)?;
                let network = Network::router(&self.home, &spec)?;
                done(self.add(&spec.name, spec.hostname.clone(), network, None))
            }
            Request::Link(spec) => done(self.link(&spec)),
            Request::CreateSandbox(spec) => done(self.pod(&spec)),
            Request::RemoveSandbox { name } => self.remove(id, &name),
            Request::Nft { netns } => self.load(id, &netns, fds),
            Request::FlushConntrack { netns } => {
                let namespaces = &self.sandbox(&netns)?.network.namespaces;
                done(namespaces.visit(&self.home, || {
                    let mut batch = Batch::default();
                    batch.flush_conntrack();
                    Netlink::netfilter()?.send(&batch)
                }))
            }
            Request::Start {
                sandbox,
                spec,
                files,
                streams,
            } => self.start(id, &sandbox, spec, &files, streams, fds),
            Request::Exec {
                container,
                spec,
                streams,
            } => self.exec(
                id,
                container,
                spec,
                &Given {
                    which: streams,
                    fds,
                },
            ),
            Request::Signal { process, signal } => done(self.signal(process, signal)),
            Request::Socket { netns, socket } => {
                let namespaces = &self.sandbox(&netns)?.network.namespaces;
                let fd = namespaces.visit(&self.home, || sockets::open(&socket))?;
                Ok(Outcome::Answer(vec![fd]))
            }
        }
    }

    fn sandbox(&self, name: &str) -> Result<&Sandbox, Failure> {
        let found = self
            .sandboxes
            .get(name)
            .filter(|sandbox| sandbox.removal.is_none());
        found.ok_or_else(|| Failure::Refused(format!("there is no router or sandbox {name:?}")))
    }

    fn free(&self, name: &str) -> Result<(), Failure> {
        if self.sandboxes.contains_key(name) {
            return Err(Failure::Refused(format!(
                "a router or sandbox {name:?} exists already"
            )));
        }
        Ok(())
    }

    fn take_index(&mut self, count: u32) -> u32 {
        self.next_index += count;
        self.next_index - count
    }

    fn add(
        &mut self,
        name: &str,
        hostname: String,
        network: Network,
        hangs_on: Option<(String, u32)>,
    ) -> Result<(), Failure> {
        let shared = Path::new("/shared").join(self.take_index(1).to_string());
        make_directory(&shared)?;
        self.sandboxes.insert(
            name.to_owned(),
            Sandbox {
                network,
                hostname,
                hangs_on,
                shared,
                removal: None,
            },
        );
        Ok(())
    }

    fn link(&mut self, spec: &LinkSpec) -> Result<(), Failure> {
        let index = self.take_index(2);
        let [a, b] = [&spec.ends[0].router, &spec.ends[1].router];
        network::link(
            spec,
            [&self.sandbox(a)?.network, &self.sandbox(b)?.network],
            index,
        )
    }

    fn pod(&mut self, spec: &SandboxSpec) -> Result<(), Failure> {
        self.free(&spec.name)?;
        let index = self.take_index(1);
        let network = Network::pod(
            &self.home,
            &self.sandbox(&spec.router)?.network,
            spec,
            index,
        )?;
        self.add(
            &spec.name,
            spec.hostname.clone(),
            network,
            Some((spec.router.clone(), index)),
        )
    }

    fn remove(&mut self, id: u64, name: &str) -> Answered {
        self.sandbox(name)?;
        if self.sandboxes.values().any(|other| {
            other
                .hangs_on
                .as_ref()
                .is_some_and(|(router, _)| router == name)
        }) {
            return Err(Failure::Refused(format!(
                "sandboxes hang on the router {name:?}, remove them first"
            )));
        }
        if let Some(sandbox) = self.sandboxes.get_mut(name) {
            sandbox.removal = Some(id);
        }
        let inside = self.processes.inside(name);
        if inside.is_empty() {
            return done(self.finish_removal(name));
        }
        for pid in inside {
            kill(pid, Signal::SIGKILL).step(|| format!("killing a process of {name}"))?;
        }
        Ok(Outcome::Later)
    }

    fn finish_removal(&mut self, name: &str) -> Result<(), Failure> {
        let Some(sandbox) = self.sandboxes.remove(name) else {
            return Ok(());
        };
        if let Some((router, index)) = &sandbox.hangs_on {
            self.sandbox(router)?.network.remove(*index)?;
        }
        std::fs::remove_dir_all(&sandbox.shared)
            .step(|| format!("removing {}", sandbox.shared.display()))
    }

    fn load(&mut self, id: u64, netns: &str, fds: Vec<OwnedFd>) -> Answered {
        let ruleset = fds
            .into_iter()
            .next()
            .ok_or_else(|| Failure::Refused("the ruleset is missing".to_owned()))?;
        let output = rustix::fs::memfd_create("nft", rustix::fs::MemfdFlags::CLOEXEC)
            .step(|| "making a file in memory".into())?;
        let written = output.try_clone().step(|| "setting up nft".to_owned())?;
        let namespaces = &self.sandbox(netns)?.network.namespaces;
        let launched = launch::nft(&self.own_pid, namespaces, &self.nft, [ruleset, written])?;
        self.processes
            .add(launched, id, netns, Role::Nft { output });
        Ok(Outcome::Later)
    }

    fn start(
        &mut self,
        id: u64,
        name: &str,
        spec: ContainerSpec,
        files: &[FileSlice],
        which: Streams,
        mut fds: Vec<OwnedFd>,
    ) -> Answered {
        let sandbox = self.sandbox(name)?;
        share(&sandbox.shared, &spec)?;
        let contents = if files.is_empty() {
            None
        } else {
            Some(fds.remove(0))
        };
        let container = Container {
            host: &self.host,
            namespaces: &sandbox.network.namespaces,
            hostname: &sandbox.hostname,
            shared: &sandbox.shared,
            spec: &spec,
            files,
            contents,
        };
        let launched = launch::container(&self.own_pid, container, &Given { which, fds })?;
        let pid = rustix::process::Pid::from_raw(launched.pid.as_raw());
        let pid = pid.ok_or_else(|| Failure::step("naming a process", libc::ESRCH))?;
        let first = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
            .step(|| "opening a process".to_owned())?;
        self.processes.add(
            launched,
            id,
            name,
            Role::Container {
                first,
                env: spec.env,
                cwd: spec.cwd,
            },
        );
        Ok(Outcome::Later)
    }

    fn exec(
        &mut self,
        id: u64,
        container: ProcessId,
        mut spec: ExecSpec,
        given: &Given,
    ) -> Answered {
        let over = || Failure::Refused(format!("container {container} is not running"));
        let (_, running) = self.processes.find(container.0).ok_or_else(over)?;
        let Role::Container { first, env, cwd } = &running.role else {
            return Err(Failure::Refused(format!(
                "process {container} is not a container"
            )));
        };
        spec.env = merged(env, &spec.env);
        spec.cwd = spec.cwd.or_else(|| cwd.clone());
        let launched = launch::exec(&self.own_pid, first, &spec, given)?;
        let sandbox = running.sandbox.clone();
        self.processes.add(launched, id, &sandbox, Role::Exec);
        Ok(Outcome::Later)
    }

    fn signal(&self, process: ProcessId, signal: i32) -> Result<(), Failure> {
        let signal = Signal::try_from(signal)
            .map_err(|_| Failure::Refused(format!("there is no signal {signal}")))?;
        match self.processes.find(process.0) {
            Some((pid, _)) => {
                kill(pid, signal).step(|| format!("sending {signal} to process {process}"))
            }
            None => Ok(()),
        }
    }

    fn report(&mut self, ties: &Ties, pid: Pid) -> io::Result<()> {
        self.processes
            .get_mut(pid)
            .map_or(Ok(()), |running| tell(ties, running))
    }

    fn reap(&mut self, ties: &Ties) -> io::Result<()> {
        loop {
            let (pid, exit) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, Exit::Code(code)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, Exit::Signal(signal as i32)),
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(()),
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(e) => return Err(e.into()),
            };
            if let Some(running) = self.processes.remove(pid) {
                self.ended(ties, running, exit)?;
            }
        }
    }

    fn ended(&mut self, ties: &Ties, mut running: Running, exit: Exit) -> io::Result<()> {
        while running.is_starting() {
            tell(ties, &mut running)?;
        }
        let (id, name) = (running.id, running.sandbox);
        if !running.failed {
            match running.role {
                Role::Nft { output } => reply(ties, id, judge(&name, exit, output), &[])?,
                Role::Container { .. } | Role::Exec => say(
                    ties,
                    &Event::Exited {
                        id: ProcessId(id),
                        exit,
                    },
                    &[],
                )?,
            }
        }
        let removal = self
            .sandboxes
            .get(&name)
            .and_then(|sandbox| sandbox.removal);
        match removal.filter(|_| self.processes.inside(&name).is_empty()) {
            Some(call) => reply(ties, call, self.finish_removal(&name), &[]),
            None => Ok(()),
        }
    }
}

/// Makes the directories that a container shares with others.
fn share(shared: &Path, spec: &ContainerSpec) -> Result<(), Failure> {
    for mount in &spec.mounts {
        if let MountSource::Shared(name) = &mount.source {
            if name.is_empty() || name == "." || name == ".." || name.contains('/') {
                return Err(Failure::Refused(format!(
                    "{name:?} cannot name a shared directory"
                )));
            }
            make_directory(&shared.join(name))?;
        }
    }
    Ok(())
}

/// Variables of `more` replace those of `base`: a program reads the first of two with one name.
fn merged(base: &[(String, String)], more: &[(String, String)]) -> Vec<(String, String)> {
    let kept = base
        .iter()
        .filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    kept.chain(more).cloned().collect()
}

/// Passes on one report of a starting program.
fn tell(ties: &Ties, running: &mut Running) -> io::Result<()> {
    match (running.read(), &running.role) {
        (News::Failed(failure), _) => reply(ties, running.id, Err(failure), &[]),
        (News::Executed(listeners), Role::Container { .. } | Role::Exec) => {
            reply(ties, running.id, Ok(()), &listeners)
        }
        // nft is answered for when it has ended.
        (News::Executed(_) | News::Nothing, _) => Ok(()),
    }
}

fn judge(netns: &str, exit: Exit, output: OwnedFd) -> Result<(), Failure> {
    if exit == Exit::Code(0) {
        return Ok(());
    }
    let mut message = String::new();
    let mut file = std::fs::File::from(output);
    if let Err(e) = file
        .rewind()
        .and_then(|()| file.read_to_string(&mut message))
    {
        message = format!("its output could not be read: {e}");
    }
    let message = format!("{exit:?}: {}", message.trim_end());
    Err(Failure::Nft {
        netns: netns.to_owned(),
        message,
    })
}

fn reply(ties: &Ties, id: u64, result: Result<(), Failure>, fds: &[OwnedFd]) -> io::Result<()> {
    say(ties, &Event::Reply { id, result }, fds)
}

fn say(ties: &Ties, event: &Event, fds: &[OwnedFd]) -> io::Result<()> {
    let bytes = wire::encode(event).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    wire::send(&ties.socket, &bytes, &fds)
}
