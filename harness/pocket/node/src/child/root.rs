//! The root file system of a container, made in its own mount namespace before its program is executed.

use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind_recursive, unmount};

use super::copy::copy;
use super::setup::{
    Host, attach, detached, make_directory, open_below, open_directory, proc_on, tmpfs,
};
use crate::error::{Failure, Step};
use crate::spec::{ContainerSpec, Mount, MountSource};
use crate::sys;
use crate::wire::FileSlice;

/// Where process 1's tree is while the root is being made.
const OLD: &str = "/.old";

/// Directories that every container has, with their modes.
const EMPTY: [(&str, u32); 17] = [
    ("proc", 0o555),
    ("sys", 0o555),
    ("dev", 0o755),
    ("tmp", 0o1777),
    ("run", 0o755),
    ("run/lock", 0o1777),
    ("var", 0o755),
    ("var/tmp", 0o1777),
    ("var/log", 0o755),
    ("var/lib", 0o755),
    ("var/cache", 0o755),
    ("root", 0o700),
    ("home", 0o755),
    ("mnt", 0o755),
    ("media", 0o755),
    ("etc", 0o755),
    (".host/etc", 0o755),
];

/// Makes the root and moves the calling process into it. `shared` is the directory of the sandbox's shared
/// directories, `contents` the file with the contents of all files.
pub(super) fn make(
    host: &Host,
    hostname: &str,
    shared: &Path,
    spec: &ContainerSpec,
    files: &[FileSlice],
    contents: Option<OwnedFd>,
) -> Result<(), Failure> {
    let pod = Path::new("/pod");
    tmpfs(pod, "mode=0755")?;
    skeleton(host, pod)?;
    rustix::process::pivot_root(pod, pod.join(".old"))
        .step(|| "pivoting to the container's root".to_owned())?;
    rustix::process::chdir("/").step(|| "entering the container's root".to_owned())?;
    proc_on("/proc")?;
    devices()?;
    etc(host, hostname)?;
    for path in &spec.tmpfs {
        make_directory(path)?;
        tmpfs(path, "mode=1777")?;
    }
    let tree = open_directory(&Path::new(OLD).join("host"))?;
    for mount in &spec.mounts {
        place(mount, &tree, shared)?;
    }
    write_files(files, contents)?;
    unmount(OLD, UnmountFlags::DETACH).step(|| "leaving the host's tree".to_owned())?;
    fs::remove_dir(OLD).step(|| format!("removing {OLD}"))
}

fn skeleton(host: &Host, pod: &Path) -> Result<(), Failure> {
    for (name, mode) in EMPTY.iter().chain(&[(".old", 0o700)]) {
        let path = pod.join(name);
        make_directory(&path)?;
        if *mode != 0o755 {
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode))
                .step(|| format!("setting up /{name}"))?;
        }
    }
    link(Path::new("/run"), &pod.join("var/run"))?;
    for (name, target) in &host.links {
        link(target, &pod.join(name))?;
    }
    let base = Path::new("/base");
    for name in &host.directories {
        make_directory(&pod.join(name))?;
        bind(&base.join(name), &pod.join(name))?;
    }
    bind(&base.join("etc"), &pod.join(".host/etc"))?;
    bind(&base.join("dev"), &pod.join("dev"))
}

fn bind(from: &Path, to: &Path) -> Result<(), Failure> {
    mount_bind_recursive(from, to)
        .step(|| format!("binding {} to {}", from.display(), to.display()))
}

fn link(target: &Path, path: &Path) -> Result<(), Failure> {
    symlink(target, path).step(|| format!("linking {}", path.display()))
}

fn devices() -> Result<(), Failure> {
    tmpfs(Path::new("/dev/shm"), "mode=1777")?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount(
        "devpts",
        "/dev/pts",
        "devpts",
        flags,
        c"newinstance,ptmxmode=0666,mode=0620",
    )
    .step(|| "mounting devpts".to_owned())
}

fn etc(host: &Host, hostname: &str) -> Result<(), Failure> {
    for name in &host.etc {
        link(
            &Path::new("/.host/etc").join(name),
            &Path::new("/etc").join(name),
        )?;
    }
    link(Path::new("/proc/self/mounts"), Path::new("/etc/mtab"))?;
    let own = [
        ("/etc/hostname", format!("{hostname}\n")),
        ("/etc/hosts", "127.0.0.1\tlocalhost\n".to_owned()),
        ("/etc/resolv.conf", String::new()),
    ];
    own.into_iter()
        .try_for_each(|(path, text)| fs::write(path, text).step(|| format!("writing {path}")))
}

fn place(mount: &Mount, host: &OwnedFd, shared: &Path) -> Result<(), Failure> {
    let path = mount.path.as_path();
    match &mount.source {
        MountSource::Host(source) => {
            point(path, is_directory(host, source)?)?;
            attach(&detached(host, source, mount.read_only)?, path)
        }
        MountSource::Shared(name) => {
            point(path, true)?;
            let root =
                open_directory(&Path::new(OLD).join(shared.strip_prefix("/").unwrap_or(shared)))?;
            attach(&detached(&root, Path::new(name), mount.read_only)?, path)
        }
        MountSource::Copy(source) => {
            parent(path)?;
            copy(&path_of(&open_below(host, source)?), path)?;
            if mount.read_only {
                freeze(path)
            } else {
                Ok(())
            }
        }
    }
}

/// A descriptor as a path, for functions that take none.
fn path_of(fd: &OwnedFd) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", fd.as_raw_fd()).into()
}

fn is_directory(host: &OwnedFd, path: &Path) -> Result<bool, Failure> {
    let found = open_below(host, path)?;
    let status =
        rustix::fs::fstat(&found).step(|| format!("looking at the host's {}", path.display()))?;
    Ok(rustix::fs::FileType::from_raw_mode(status.st_mode).is_dir())
}

fn parent(path: &Path) -> Result<(), Failure> {
    path.parent().map_or(Ok(()), make_directory)
}

/// Something to mount on: a directory for a directory, else a file.
fn point(path: &Path, directory: bool) -> Result<(), Failure> {
    if directory {
        return make_directory(path);
    }
    parent(path)?;
    match fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
    {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
            Err(e).step(|| format!("making {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Read-only from here on.
fn freeze(path: &Path) -> Result<(), Failure> {
    use std::os::fd::AsFd;
    bind(path, path)?;
    let mounted = rustix::fs::open(
        path,
        rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )
    .step(|| format!("opening {}", path.display()))?;
    sys::set_read_only(mounted.as_fd()).step(|| format!("making {} read-only", path.display()))
}

/// The host's entry of `/etc` gives way to a file of the container's own.
fn replace_link(path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => {
            fs::remove_file(path).step(|| format!("replacing {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn write_files(files: &[FileSlice], contents: Option<OwnedFd>) -> Result<(), Failure> {
    let Some(contents) = contents else {
        return Ok(());
    };
    let mut contents = fs::File::from(contents);
    for file in files {
        let about = || format!("writing {}", file.path.display());
        parent(&file.path)?;
        replace_link(&file.path)?;
        let mut bytes = vec![0; file.length];
        contents.read_exact(&mut bytes).step(about)?;
        let mut target = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(file.mode)
            .open(&file.path)
            .step(about)?;
        io::Write::write_all(&mut target, &bytes).step(about)?;
        target
            .set_permissions(fs::Permissions::from_mode(file.mode))
            .step(about)?;
    }
    Ok(())
}
