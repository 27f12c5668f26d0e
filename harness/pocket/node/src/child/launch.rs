//! Starts programs: what happens between `fork` and `exec`.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::OpenOptions;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{ForkResult, Pid};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};

use super::namespaces::{Namespaces, join};
use super::root;
use super::setup::{Host, make_directory};
use crate::error::{Failure, Step};
use crate::spec::{ContainerSpec, ExecSpec, Program};
use crate::sys;
use crate::wire::{self, FileSlice, Streams};

/// What a starting process tells process 1; the end of the stream tells that its program was executed.
#[derive(Serialize, Deserialize)]
pub(super) enum Report {
    /// Descriptors: the listeners.
    Listening,
    Failed(Failure),
}

/// A process that is about to execute its program.
pub(super) struct Launched {
    pub(super) pid: Pid,
    pub(super) report: OwnedFd,
}

/// Where a process is born.
pub(super) enum Birth<'a> {
    /// As the first of a new PID namespace.
    First,
    /// In the PID namespace of this process.
    With(&'a OwnedFd),
    /// In process 1's own.
    Here,
}

/// The streams of a program, in order.
pub(super) struct Given {
    pub(super) which: Streams,
    pub(super) fds: Vec<OwnedFd>,
}

/// What a container is started from.
pub(super) struct Container<'a> {
    pub(super) host: &'a Host,
    pub(super) namespaces: &'a Namespaces,
    pub(super) hostname: &'a str,
    pub(super) shared: &'a Path,
    pub(super) spec: &'a ContainerSpec,
    pub(super) files: &'a [FileSlice],
    pub(super) contents: Option<OwnedFd>,
}

/// A program, as it is executed.
struct Command<'a> {
    argv: &'a [String],
    env: &'a [(String, String)],
    cwd: &'a Path,
}

/// Forks; `child` runs in the new process and returns only if it fails.
fn launch(
    own_pid: &OwnedFd,
    birth: &Birth<'_>,
    child: impl FnOnce(&OwnedFd) -> Result<Infallible, Failure>,
) -> Result<Launched, Failure> {
    let (report, tell) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .step(|| "making a socket pair".to_owned())?;
    match birth {
        Birth::First => {
            unshare(CloneFlags::CLONE_NEWPID).step(|| "making a PID namespace".to_owned())?;
        }
        Birth::With(process) => join(process, CloneFlags::CLONE_NEWPID)?,
        Birth::Here => {}
    }
    let forked = sys::fork();
    if let Ok(ForkResult::Child) = forked {
        drop(report);
        let Err(failure) = child(&tell);
        // Process 1 is gone if this cannot be said, and then this process is too.
        drop(say(&tell, &Report::Failed(failure), &[]));
        sys::exit_now(127);
    }
    if !matches!(birth, Birth::Here) {
        join(own_pid, CloneFlags::CLONE_NEWPID)?;
    }
    match forked.step(|| "forking".to_owned())? {
        ForkResult::Parent { child: pid } => Ok(Launched { pid, report }),
        ForkResult::Child => sys::exit_now(127),
    }
}

fn say(tell: &OwnedFd, report: &Report, fds: &[OwnedFd]) -> Result<(), Failure> {
    let bytes = wire::encode(report).map_err(|e| Failure::Refused(e.to_string()))?;
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    wire::send(tell, &bytes, &fds).step(|| "reporting to process 1".to_owned())
}

/// Starts a container.
pub(super) fn container(
    own_pid: &OwnedFd,
    mut container: Container<'_>,
    given: &Given,
) -> Result<Launched, Failure> {
    launch(own_pid, &Birth::First, |tell| {
        let spec = container.spec;
        container.namespaces.enter()?;
        unshare(CloneFlags::CLONE_NEWNS).step(|| "making a mount namespace".to_owned())?;
        let contents = container.contents.take();
        root::make(
            container.host,
            container.hostname,
            container.shared,
            spec,
            container.files,
            contents,
        )?;
        let cwd = spec.cwd.clone().unwrap_or_else(|| PathBuf::from("/"));
        make_directory(&cwd)?;
        if !spec.unix_listeners.is_empty() {
            say(tell, &Report::Listening, &listeners(&spec.unix_listeners)?)?;
        }
        wire_up(given, false)?;
        execute(&Command {
            argv: &spec.argv,
            env: &spec.env,
            cwd: &cwd,
        })
    })
}

fn listeners(paths: &[PathBuf]) -> Result<Vec<OwnedFd>, Failure> {
    let listen = |path: &PathBuf| {
        path.parent().map_or(Ok(()), make_directory)?;
        UnixListener::bind(path)
            .map(OwnedFd::from)
            .step(|| format!("listening on {}", path.display()))
    };
    paths.iter().map(listen).collect()
}

/// Starts another program in the container whose first process is `first`.
pub(super) fn exec(
    own_pid: &OwnedFd,
    first: &OwnedFd,
    spec: &ExecSpec,
    given: &Given,
) -> Result<Launched, Failure> {
    launch(own_pid, &Birth::With(first), |_| {
        let all = CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWNS;
        join(first, all)?;
        wire_up(given, spec.tty)?;
        let cwd = spec.cwd.clone().unwrap_or_else(|| PathBuf::from("/"));
        execute(&Command {
            argv: &spec.argv,
            env: &spec.env,
            cwd: &cwd,
        })
    })
}

/// Starts `nft` of the host in a network namespace; it reads `ruleset` and writes to `output`.
pub(super) fn nft(
    own_pid: &OwnedFd,
    inside: &Namespaces,
    nft: &Program,
    files: [OwnedFd; 2],
) -> Result<Launched, Failure> {
    let [ruleset, output] = files;
    launch(own_pid, &Birth::Here, |_| {
        inside.enter()?;
        nix::unistd::chroot("/host").step(|| "entering the host's tree".to_owned())?;
        let errors = output.try_clone().step(|| "setting up nft".to_owned())?;
        wire_up(
            &Given {
                which: Streams([true; 3]),
                fds: vec![ruleset, output, errors],
            },
            false,
        )?;
        let argv = [
            nft.path.display().to_string(),
            "-f".to_owned(),
            "-".to_owned(),
        ];
        execute(&Command {
            argv: &argv,
            env: &nft.env,
            cwd: Path::new("/"),
        })
    })
}

/// Sets the standard streams and a session of its own.
fn wire_up(given: &Given, tty: bool) -> Result<(), Failure> {
    let about = || "setting up the standard streams".to_owned();
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map(OwnedFd::from)
        .step(about)?;
    let mut fds = given.fds.iter();
    let mut next = |present: bool| {
        if present {
            fds.next().unwrap_or(&null)
        } else {
            &null
        }
    };
    let Streams([input, output, errors]) = given.which;
    rustix::stdio::dup2_stdin(next(input)).step(about)?;
    rustix::stdio::dup2_stdout(next(output)).step(about)?;
    rustix::stdio::dup2_stderr(next(errors)).step(about)?;
    rustix::process::setsid().step(|| "making a session".to_owned())?;
    if tty {
        rustix::process::ioctl_tiocsctty(std::io::stdin())
            .step(|| "taking the terminal".to_owned())?;
    }
    Ok(())
}

fn execute(command: &Command<'_>) -> Result<Infallible, Failure> {
    rustix::process::chdir(command.cwd)
        .step(|| format!("changing to {}", command.cwd.display()))?;
    let argv = strings(command.argv.iter().cloned())?;
    let env = strings(
        command
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    )?;
    let Some(name) = command.argv.first() else {
        return Err(Failure::Refused("argv is empty".to_owned()));
    };
    rustix::thread::set_no_new_privs(true).step(|| "giving up new privileges".to_owned())?;
    sys::close_others_on_exec().step(|| "closing descriptors".to_owned())?;
    sys::reset_signals();
    let mut errno = libc::ENOENT;
    for path in candidates(name, command.env) {
        let path = CString::new(path).map_err(|_| nul(name))?;
        let Err(found) = nix::unistd::execve(&path, &argv, &env);
        // As execvp(3): a file that may not be executed is remembered, the search goes on.
        match found as i32 {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => errno = libc::EACCES,
            other => {
                return Err(Failure::Exec {
                    program: name.clone(),
                    errno: other,
                });
            }
        }
    }
    Err(Failure::Exec {
        program: name.clone(),
        errno,
    })
}

/// Where a program may be.
fn candidates(name: &str, env: &[(String, String)]) -> Vec<String> {
    if name.contains('/') {
        return vec![name.to_owned()];
    }
    let path = env
        .iter()
        .rev()
        .find(|(key, _)| key == "PATH")
        .map(|(_, value)| value.as_str());
    let path = path.unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    path.split(':')
        .filter(|directory| !directory.is_empty())
        .map(|directory| format!("{directory}/{name}"))
        .collect()
}

fn strings(all: impl Iterator<Item = String>) -> Result<Vec<CString>, Failure> {
    all.map(|text| CString::new(text.as_str()).map_err(|_| nul(&text)))
        .collect()
}

fn nul(text: &str) -> Failure {
    // A value of the environment may be secret: its name is enough.
    let shown = text.split(['=', '\0']).next().unwrap_or_default();
    Failure::Refused(format!(
        "the argument or variable {shown:?} contains a NUL byte"
    ))
}

#[cfg(test)]
mod tests {
    use super::candidates;

    #[test]
    fn names_are_searched_and_paths_are_not() {
        let env = [("PATH".to_owned(), "/a::/b".to_owned())];
        assert_eq!(candidates("x", &env), ["/a/x", "/b/x"]);
        assert_eq!(candidates("./x", &env), ["./x"]);
        assert!(candidates("x", &[]).contains(&"/usr/bin/x".to_owned()));
    }
}
