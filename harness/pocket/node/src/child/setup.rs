//! Process 1's own file system: a tmpfs with the host's tree below `/host`.
//!
//! ```text
//! /host    the host's whole tree, as the child inherited it
//! /base    what containers see of it, read-only: its top-level directories, `etc`, and `dev`
//! /pod     where a container makes its root, in its own mount namespace
//! /shared  directories that containers of a sandbox share
//! ```

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change,
    move_mount, open_tree,
};

use super::netlink::{Batch, Interface, Netlink};
use crate::error::{Failure, Step};
use crate::sys;

/// Top-level directories that containers get empty ones for, or none.
const NOT_SHOWN: [&str; 12] = [
    "home",
    "root",
    "tmp",
    "proc",
    "sys",
    "dev",
    "run",
    "var",
    "mnt",
    "media",
    "etc",
    "lost+found",
];

/// Entries of `/etc` that containers have for themselves, or that must not reach their programs.
const NOT_FROM_ETC: [&str; 9] = [
    "resolv.conf",
    "hosts",
    "hostname",
    "mtab",
    "mysql",
    "my.cnf",
    "my.cnf.d",
    "shadow",
    "gshadow",
];

/// Devices of every container.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// What a container's root is made of.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// Directories below `/base` to be bound.
    pub(super) directories: Vec<OsString>,
    /// Symbolic links of the host's top level, with their targets.
    pub(super) links: Vec<(OsString, PathBuf)>,
    /// Names in the host's `/etc`.
    pub(super) etc: Vec<OsString>,
}

/// Makes the file system, and a veth for proof that it is allowed.
pub(super) fn host() -> Result<Host, Failure> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).step(|| "making the mounts private".to_owned())?;
    let root = ["/tmp", "/mnt", "/run", "/dev/shm"]
        .map(Path::new)
        .into_iter()
        .find(|path| path.is_dir());
    let root =
        root.ok_or_else(|| Failure::step("finding /tmp, /mnt or /run to mount on", libc::ENOENT))?;
    tmpfs(root, "mode=0755")?;
    for name in ["host", "base", "pod", "shared", "proc"] {
        make_directory(&root.join(name))?;
    }
    rustix::process::pivot_root(root, root.join("host"))
        .step(|| "pivoting to a root of its own".to_owned())?;
    rustix::process::chdir("/").step(|| "entering the root".to_owned())?;
    proc_on("/proc")?;
    probe_veth()?;
    base()
}

pub(super) fn tmpfs(path: &Path, options: &str) -> Result<(), Failure> {
    let options = std::ffi::CString::new(options).unwrap_or_default();
    mount(
        "tmpfs",
        path,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        options.as_c_str(),
    )
    .step(|| format!("mounting tmpfs on {}", path.display()))
}

pub(super) fn proc_on(path: &str) -> Result<(), Failure> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", path, "proc", flags, None).step(|| format!("mounting proc on {path}"))
}

pub(super) fn make_directory(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).step(|| format!("making the directory {}", path.display()))
}

/// Some systems allow the namespaces and refuse this. It stays until the end: deleting it would take longer.
fn probe_veth() -> Result<(), Failure> {
    let own =
        fs::File::open("/proc/self/ns/net").step(|| "opening the network namespace".to_owned())?;
    let mut batch = Batch::default();
    let near = Interface {
        index: 1000,
        name: "probe0",
        mac: [2, 0, 0, 0, 0, 1],
    };
    let far = Interface {
        index: 1001,
        name: "probe1",
        mac: [2, 0, 0, 0, 0, 2],
    };
    batch.veth(&near, &far, own.as_fd());
    batch.up(1);
    Netlink::route()?.send(&batch)
}

fn base() -> Result<Host, Failure> {
    let mut host = Host::default();
    let top = fs::read_dir("/host").step(|| "reading the host's root".to_owned())?;
    for entry in top {
        let entry = entry.step(|| "reading the host's root".to_owned())?;
        let (name, kind) = (
            entry.file_name(),
            entry
                .file_type()
                .step(|| "reading the host's root".to_owned())?,
        );
        if NOT_SHOWN.iter().any(|hidden| name == *hidden) {
            continue;
        }
        if kind.is_symlink() {
            let target = fs::read_link(entry.path())
                .step(|| format!("reading {}", entry.path().display()))?;
            host.links.push((name, target));
        } else if kind.is_dir() {
            show(&entry.path(), &Path::new("/base").join(&name))?;
            host.directories.push(name);
        }
    }
    show(Path::new("/host/etc"), Path::new("/base/etc"))?;
    hide_home(std::env::var_os("HOME").as_deref())?;
    devices()?;
    host.etc = etc()?;
    Ok(host)
}

/// The user's home stays unseen wherever it is. A home that is a top-level directory's own root
/// (`/`, or `/srv` of a service user) holds more than a home, and is shown.
fn hide_home(home: Option<&std::ffi::OsStr>) -> Result<(), Failure> {
    let Some(home) = home
        .map(Path::new)
        .and_then(|home| home.strip_prefix("/").ok())
    else {
        return Ok(());
    };
    let shown = Path::new("/base").join(home);
    if home.components().count() < 2 || !shown.is_dir() {
        return Ok(());
    }
    tmpfs(&shown, "mode=0755,size=0")
}

fn show(from: &Path, to: &Path) -> Result<(), Failure> {
    make_directory(to)?;
    let root = open_directory(Path::new("/"))?;
    let inside = from.strip_prefix("/").unwrap_or(from);
    attach(&detached(&root, inside, true)?, to)
}

fn etc() -> Result<Vec<OsString>, Failure> {
    let entries = fs::read_dir("/host/etc").step(|| "reading the host's /etc".to_owned())?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry
            .step(|| "reading the host's /etc".to_owned())?
            .file_name();
        if !NOT_FROM_ETC.iter().any(|own| name == *own) {
            names.push(name);
        }
    }
    Ok(names)
}

fn devices() -> Result<(), Failure> {
    let dev = Path::new("/base/dev");
    make_directory(dev)?;
    tmpfs(dev, "mode=0755")?;
    for name in DEVICES {
        let (from, to) = (Path::new("/host/dev").join(name), dev.join(name));
        fs::write(&to, "").step(|| format!("making {}", to.display()))?;
        rustix::mount::mount_bind(&from, &to).step(|| format!("binding {}", from.display()))?;
    }
    let links = [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ];
    for (name, target) in links {
        std::os::unix::fs::symlink(target, dev.join(name))
            .step(|| format!("linking /dev/{name}"))?;
    }
    make_directory(&dev.join("shm"))?;
    make_directory(&dev.join("pts"))?;
    // All containers see this one.
    let mounted = open_directory(dev)?;
    sys::set_read_only(mounted.as_fd()).step(|| "making /dev read-only".to_owned())
}

/// A directory for paths to be resolved in.
pub(super) fn open_directory(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).step(|| format!("opening {}", path.display()))
}

/// Resolves a path of the host as the host would: absolute symbolic links start at `root`.
pub(super) fn open_below(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)
        .step(|| format!("opening the host's {}", path.display()))
}

/// A copy of the mounts at a path below `root`, attached nowhere yet.
pub(super) fn detached(root: &OwnedFd, path: &Path, read_only: bool) -> Result<OwnedFd, Failure> {
    let source = open_below(root, path)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(&source, "", flags)
        .step(|| format!("copying the mounts of the host's {}", path.display()))?;
    if read_only {
        sys::set_read_only(tree.as_fd()).step(|| format!("making {} read-only", path.display()))?;
    }
    Ok(tree)
}

/// Attaches what [`detached`] made.
pub(super) fn attach(tree: &OwnedFd, to: &Path) -> Result<(), Failure> {
    move_mount(tree, "", CWD, to, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .step(|| format!("mounting on {}", to.display()))
}
