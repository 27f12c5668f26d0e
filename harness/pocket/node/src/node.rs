//! The parent's side: starts the child, sends it requests and hands out what it answers.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Stdio as ChildStdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixListener};
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::ARG0;
use crate::error::{Failure, NodeError};
use crate::process::{Process, Started};
use crate::spec::{
    ContainerSpec, ExecSpec, Exit, File, LinkSpec, NodeOptions, ProcessId, RouterSpec, SandboxSpec,
    SocketSpec, Stdio,
};
use crate::wire::{self, Event, FileSlice, Request, Streams};

/// The running child. Cheap to clone; with the last clone the child and everything in it ends.
#[derive(Clone, Debug)]
pub struct Node {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    socket: Arc<AsyncFd<OwnedFd>>,
    waiting: Arc<Waiting>,
    next: AtomicU64,
    reader: JoinHandle<()>,
    ended: watch::Receiver<bool>,
    lifeline: Mutex<Option<OwnedFd>>,
    child: tokio::sync::Mutex<Child>,
    pid: u32,
}

/// Who waits for what; emptied when the child ends, which everyone then hears as [`NodeError::Gone`].
#[derive(Debug, Default)]
struct Waiting {
    tables: Mutex<Tables>,
}

type Answer = (Result<(), Failure>, Vec<OwnedFd>);

#[derive(Debug, Default)]
struct Tables {
    closed: bool,
    replies: HashMap<u64, oneshot::Sender<Answer>>,
    exits: HashMap<u64, watch::Sender<Option<Exit>>>,
}

impl Node {
    /// Starts the child and waits until it has made its namespaces, or was refused them.
    ///
    /// Needs a tokio runtime with I/O, which must outlive the node.
    pub async fn start(options: NodeOptions) -> Result<Self, NodeError> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
                .map_err(|e| NodeError::Spawn(e.into()))?;
        let (end, lifeline) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|e| NodeError::Spawn(e.into()))?;
        rustix::io::ioctl_fionbio(&ours, true).map_err(|e| NodeError::Spawn(e.into()))?;
        let nft = serde_json::to_string(&options.nft).map_err(NodeError::NotText)?;
        let child = spawn(theirs, end, &nft).map_err(NodeError::Spawn)?;
        let socket = crate::sys::asynchronous(ours).map_err(NodeError::Spawn)?;
        greet(&socket).await?;
        Ok(Self {
            inner: Arc::new(Inner::new(socket, lifeline, child)),
        })
    }

    /// The process id of the child, in the parent's PID namespace.
    pub fn pid(&self) -> u32 {
        self.inner.pid
    }

    /// Makes a router.
    pub async fn create_router(&self, spec: RouterSpec) -> Result<(), NodeError> {
        self.ask(Request::CreateRouter(spec), &[]).await
    }

    /// Connects two routers. The interfaces are up afterwards.
    pub async fn link(&self, spec: LinkSpec) -> Result<(), NodeError> {
        self.ask(Request::Link(spec), &[]).await
    }

    /// Makes a pod's namespaces and hangs them on their router. `eth0` is up afterwards.
    pub async fn create_sandbox(&self, spec: SandboxSpec) -> Result<(), NodeError> {
        self.ask(Request::CreateSandbox(spec), &[]).await
    }

    /// Kills what runs in a sandbox and removes it, with its interface and routes; waits until that is done.
    pub async fn remove_sandbox(&self, name: &str) -> Result<(), NodeError> {
        self.ask(
            Request::RemoveSandbox {
                name: name.to_owned(),
            },
            &[],
        )
        .await
    }

    /// Loads a ruleset (the text that `nft -f` reads) in a router or sandbox, as one transaction.
    pub async fn nft(&self, netns: &str, ruleset: &str) -> Result<(), NodeError> {
        let file = memory_file("ruleset", [ruleset.as_bytes()])?;
        self.ask(
            Request::Nft {
                netns: netns.to_owned(),
            },
            &[file.as_fd()],
        )
        .await
    }

    /// Forgets every tracked connection of a router or sandbox: changed NAT rules then apply to old flows too.
    pub async fn flush_conntrack(&self, netns: &str) -> Result<(), NodeError> {
        self.ask(
            Request::FlushConntrack {
                netns: netns.to_owned(),
            },
            &[],
        )
        .await
    }

    /// Starts a container in a sandbox or router; returns once its program has been executed.
    ///
    /// [`NodeError::Exec`] if the program cannot be executed.
    pub async fn start_container(
        &self,
        sandbox: &str,
        mut spec: ContainerSpec,
        stdio: Stdio,
    ) -> Result<Started, NodeError> {
        let files = std::mem::take(&mut spec.files);
        let contents = if files.is_empty() {
            None
        } else {
            Some(memory_file(
                "files",
                files.iter().map(|f| f.bytes.as_slice()),
            )?)
        };
        let (streams, given) = streams(&stdio);
        let fds: Vec<_> = contents.iter().map(AsFd::as_fd).chain(given).collect();
        let files = files.iter().map(slice).collect();
        let request = Request::Start {
            sandbox: sandbox.to_owned(),
            spec,
            files,
            streams,
        };
        let (process, fds) = self.launch(request, &fds).await?;
        let listeners = fds
            .into_iter()
            .map(unix_listener)
            .collect::<Result<_, _>>()?;
        Ok(Started { process, listeners })
    }

    /// Starts another program in a running container; returns once it has been executed.
    pub async fn exec(
        &self,
        container: ProcessId,
        spec: ExecSpec,
        stdio: Stdio,
    ) -> Result<Process, NodeError> {
        let (streams, fds) = streams(&stdio);
        let request = Request::Exec {
            container,
            spec,
            streams,
        };
        self.launch(request, &fds).await.map(|(process, _)| process)
    }

    /// Sends a signal to a program. Nothing happens if it has ended. `SIGKILL` to a container's program
    /// ends all programs of the container; any other signal reaches it only if it has a handler, as it
    /// is the first process of its PID namespace.
    pub async fn signal(&self, process: ProcessId, signal: i32) -> Result<(), NodeError> {
        self.ask(Request::Signal { process, signal }, &[]).await
    }

    /// Opens a socket in a sandbox or router; it is non-blocking.
    pub async fn open_socket(&self, netns: &str, socket: SocketSpec) -> Result<OwnedFd, NodeError> {
        let request = Request::Socket {
            netns: netns.to_owned(),
            socket,
        };
        let (result, fds) = self.call(self.id(), &request, &[]).await?;
        result?;
        fds.into_iter().next().ok_or(NodeError::Gone)
    }

    /// Connects to an address as seen from a sandbox or router.
    pub async fn connect_tcp(&self, netns: &str, to: SocketAddrV4) -> Result<TcpStream, NodeError> {
        let context = || format!("connecting to {to} from {netns}");
        let fd = self.open_socket(netns, SocketSpec::TcpConnect(to)).await?;
        let stream = TcpStream::from_std(fd.into()).map_err(NodeError::io(context()))?;
        stream.writable().await.map_err(NodeError::io(context()))?;
        match stream.take_error().map_err(NodeError::io(context()))? {
            Some(e) => Err(NodeError::io(context())(e)),
            None => Ok(stream),
        }
    }

    /// Listens in a sandbox or router.
    pub async fn listen_tcp(
        &self,
        netns: &str,
        on: SocketAddrV4,
    ) -> Result<TcpListener, NodeError> {
        let fd = self.open_socket(netns, SocketSpec::TcpListen(on)).await?;
        TcpListener::from_std(fd.into())
            .map_err(NodeError::io(format!("listening on {on} in {netns}")))
    }

    /// Binds a UDP socket in a sandbox or router.
    pub async fn bind_udp(&self, netns: &str, on: SocketAddrV4) -> Result<UdpSocket, NodeError> {
        let fd = self.open_socket(netns, SocketSpec::Udp(on)).await?;
        UdpSocket::from_std(fd.into()).map_err(NodeError::io(format!("binding {on} in {netns}")))
    }

    /// Returns when the child has ended, for whatever reason.
    pub async fn ended(&self) {
        let mut ended = self.inner.ended.clone();
        // An error means that the reader is gone, which is the same.
        drop(ended.wait_for(|ended| *ended).await);
    }

    /// Ends the child and waits until nothing of it is left.
    pub async fn stop(&self) -> Result<(), NodeError> {
        drop(lock(&self.inner.lifeline).take());
        let mut child = self.inner.child.lock().await;
        child
            .wait()
            .await
            .map(drop)
            .map_err(NodeError::io("waiting for the node to end"))
    }

    fn id(&self) -> u64 {
        self.inner.next.fetch_add(1, Ordering::Relaxed)
    }

    async fn ask(&self, request: Request, fds: &[BorrowedFd<'_>]) -> Result<(), NodeError> {
        let (result, _) = self.call(self.id(), &request, fds).await?;
        Ok(result?)
    }

    async fn launch(
        &self,
        request: Request,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(Process, Vec<OwnedFd>), NodeError> {
        let id = self.id();
        let (sender, exit) = watch::channel(None);
        lock(&self.inner.waiting.tables).exits.insert(id, sender);
        let answer = self.call(id, &request, fds).await;
        let (result, fds) = answer.inspect_err(|_| self.forget(id))?;
        result.inspect_err(|_| self.forget(id))?;
        Ok((
            Process {
                id: ProcessId(id),
                exit,
            },
            fds,
        ))
    }

    fn forget(&self, id: u64) {
        lock(&self.inner.waiting.tables).exits.remove(&id);
    }

    async fn call(
        &self,
        id: u64,
        request: &Request,
        fds: &[BorrowedFd<'_>],
    ) -> Result<Answer, NodeError> {
        let bytes = wire::encode(&CallRef { id, request })?;
        let (sender, reply) = oneshot::channel();
        {
            let mut tables = lock(&self.inner.waiting.tables);
            if tables.closed {
                return Err(NodeError::Gone);
            }
            tables.replies.insert(id, sender);
        }
        let send = |fd: &OwnedFd| wire::send(fd, &bytes, fds);
        if let Err(e) = self.inner.socket.async_io(Interest::WRITABLE, send).await {
            lock(&self.inner.waiting.tables).replies.remove(&id);
            return Err(if e.kind() == io::ErrorKind::BrokenPipe {
                NodeError::Gone
            } else {
                NodeError::io("sending a request to the node")(e)
            });
        }
        reply.await.map_err(|_| NodeError::Gone)
    }
}

/// [`wire::Call`] without owning the request.
#[derive(serde::Serialize)]
struct CallRef<'a> {
    id: u64,
    request: &'a Request,
}

impl Inner {
    fn new(socket: AsyncFd<OwnedFd>, lifeline: OwnedFd, child: Child) -> Self {
        let socket = Arc::new(socket);
        let waiting = Arc::new(Waiting::default());
        let (over, ended) = watch::channel(false);
        let reader = tokio::spawn({
            let (socket, waiting) = (Arc::clone(&socket), Arc::clone(&waiting));
            async move {
                read_events(&socket, &waiting).await;
                over.send_replace(true);
            }
        });
        let pid = child.id().unwrap_or_default();
        let (lifeline, child) = (Mutex::new(Some(lifeline)), tokio::sync::Mutex::new(child));
        Self {
            socket,
            waiting,
            next: AtomicU64::new(1),
            reader,
            ended,
            lifeline,
            child,
            pid,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// A mutex is only poisoned by a panic between two map operations; the maps are whole even then.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The socket goes as standard input and the lifeline as standard output: no descriptor needs to
/// be made inheritable, so none leaks into other children.
fn spawn(socket: OwnedFd, lifeline: OwnedFd, nft: &str) -> io::Result<Child> {
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg0(ARG0).arg(nft).process_group(0);
    command
        .stdin(ChildStdio::from(socket))
        .stdout(ChildStdio::from(lifeline))
        .stderr(ChildStdio::inherit());
    Command::from(command).kill_on_drop(true).spawn()
}

/// Reads the child's first word.
async fn greet(socket: &AsyncFd<OwnedFd>) -> Result<(), NodeError> {
    let mut buffer = vec![0; wire::LIMIT];
    let first = socket
        .async_io(Interest::READABLE, |fd| wire::receive(fd, &mut buffer))
        .await;
    let event = match first {
        Ok(Some((length, _))) => {
            wire::decode(&buffer[..length]).map_err(|e| NodeError::NoAnswer(e.to_string()))?
        }
        Ok(None) => return Err(NodeError::NoAnswer("it ended at once".to_owned())),
        Err(e) => return Err(NodeError::NoAnswer(e.to_string())),
    };
    match event {
        Event::Ready => Ok(()),
        Event::Refused { step, errno } => {
            let hint = crate::refusal::hint(&step, errno);
            Err(NodeError::NamespacesRefused { step, errno, hint })
        }
        other => Err(NodeError::NoAnswer(format!("its first word was {other:?}"))),
    }
}

async fn read_events(socket: &AsyncFd<OwnedFd>, waiting: &Waiting) {
    let mut buffer = vec![0; wire::LIMIT];
    while let Ok(Some((length, fds))) = socket
        .async_io(Interest::READABLE, |fd| wire::receive(fd, &mut buffer))
        .await
    {
        match wire::decode(&buffer[..length]) {
            Ok(Event::Reply { id, result }) => waiting.reply(id, (result, fds)),
            Ok(Event::Exited { id, exit }) => waiting.exited(id, exit),
            // The child is this very program: nothing else can come, and if it does nothing can be trusted.
            Ok(Event::Ready | Event::Refused { .. }) | Err(_) => break,
        }
    }
    waiting.close();
}

impl Waiting {
    fn reply(&self, id: u64, answer: Answer) {
        if let Some(waiter) = lock(&self.tables).replies.remove(&id) {
            // Whoever asked may have been cancelled.
            drop(waiter.send(answer));
        }
    }

    fn exited(&self, id: ProcessId, exit: Exit) {
        if let Some(sender) = lock(&self.tables).exits.remove(&id.0) {
            sender.send_replace(Some(exit));
        }
    }

    fn close(&self) {
        let mut tables = lock(&self.tables);
        tables.closed = true;
        tables.replies.clear();
        tables.exits.clear();
    }
}

fn streams(stdio: &Stdio) -> (Streams, Vec<BorrowedFd<'_>>) {
    let all = [&stdio.stdin, &stdio.stdout, &stdio.stderr];
    let present = all.map(Option::is_some);
    (
        Streams(present),
        all.into_iter().flatten().map(AsFd::as_fd).collect(),
    )
}

fn slice(file: &File) -> FileSlice {
    FileSlice {
        path: file.path.clone(),
        mode: file.mode,
        length: file.bytes.len(),
    }
}

/// A file in memory that the child reads; the offset is at its start.
fn memory_file<'a>(
    name: &str,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<OwnedFd, NodeError> {
    let make = || -> io::Result<OwnedFd> {
        let mut file = std::fs::File::from(rustix::fs::memfd_create(
            name,
            rustix::fs::MemfdFlags::CLOEXEC,
        )?);
        for part in parts {
            io::Write::write_all(&mut file, part)?;
        }
        io::Seek::rewind(&mut file)?;
        Ok(file.into())
    };
    make().map_err(NodeError::io(format!("writing {name} to memory")))
}

fn unix_listener(fd: OwnedFd) -> Result<UnixListener, NodeError> {
    let listener = std::os::unix::net::UnixListener::from(fd);
    listener
        .set_nonblocking(true)
        .and_then(|()| UnixListener::from_std(listener))
        .map_err(NodeError::io("taking over a Unix listener"))
}
