//! What the node is asked to make: routers, links, sandboxes, containers.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a node is started.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// The `nft` program (nftables 1.0 or later), run inside the node's namespaces.
    pub nft: Program,
}

/// A program of the host and what it needs in its environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Absolute path as the host sees it.
    pub path: PathBuf,
    /// The whole environment, for example `LD_LIBRARY_PATH` for a program unpacked into a cache.
    pub env: Vec<(String, String)>,
}

/// An IPv4 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cidr {
    /// First address.
    pub address: Ipv4Addr,
    /// Length of the prefix, 0 to 32.
    pub prefix: u8,
}

impl Cidr {
    /// `0.0.0.0/0`
    pub const ANY: Self = Self {
        address: Ipv4Addr::UNSPECIFIED,
        prefix: 0,
    };
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Text that is not `a.b.c.d/n`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an IPv4 network, write it as 10.1.0.0/16 with no bits behind the prefix")]
pub struct NotACidr(String);

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let refuse = || NotACidr(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(refuse)?;
        let address: Ipv4Addr = address.parse().map_err(|_| refuse())?;
        let prefix: u8 = prefix.parse().map_err(|_| refuse())?;
        let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
        if prefix > 32 || address.to_bits() & host_bits != 0 {
            return Err(refuse());
        }
        Ok(Self { address, prefix })
    }
}

/// A router: a network namespace that pods hang on. It is a sandbox too, containers run in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterSpec {
    /// Unique among routers and sandboxes.
    pub name: String,
    /// What `hostname` prints in it.
    pub hostname: String,
    /// Addresses of its own, as /32 on `lo`: the address that pods see as the node's, the DNS address.
    pub addresses: Vec<Ipv4Addr>,
}

/// A veth between two routers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSpec {
    /// The two ends.
    pub ends: [LinkEnd; 2],
}

/// One end of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkEnd {
    /// Name of the router.
    pub router: String,
    /// Name of the interface in it, at most 15 bytes.
    pub interface: String,
    /// Its address on the link.
    pub address: Ipv4Addr,
    /// What is reached through the other end.
    pub routes: Vec<Cidr>,
}

/// A pod's namespaces: network (interfaces `lo` and `eth0`), UTS and IPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// Unique among routers and sandboxes.
    pub name: String,
    /// The router it hangs on.
    pub router: String,
    /// Its address, /32 on `eth0`.
    pub address: Ipv4Addr,
    /// What `hostname` prints in it, at most 64 bytes.
    pub hostname: String,
}

/// A program in a sandbox, with a root file system and a PID namespace of its own.
///
/// The root: the host's top-level directories read-only (not `/home`, `/root`, `/tmp`, `/run`, `/var`,
/// `/mnt`, `/media`), `/etc` with the host's entries except `hosts`, `hostname`, `resolv.conf` and
/// the configuration of MySQL clients, everything else empty and writable in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Program and arguments; a name without slash is searched in `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment. What a later `exec` starts gets it too.
    pub env: Vec<(String, String)>,
    /// Working directory, made if it does not exist. Absent: `/`.
    pub cwd: Option<PathBuf>,
    /// What is shown to the container besides its root.
    pub mounts: Vec<Mount>,
    /// Small files written before the program starts; parents are made.
    /// `/etc/resolv.conf`, `/etc/hosts` and service-account files come this way.
    #[serde(skip)]
    pub files: Vec<File>,
    /// Paths that get an empty file system of their own.
    pub tmpfs: Vec<PathBuf>,
    /// Unix stream sockets that listen before the program starts; the parent gets the listeners, in this order.
    pub unix_listeners: Vec<PathBuf>,
}

/// Something mounted in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What is shown.
    pub source: MountSource,
    /// Where, absolute, in the container. Made where its parent is writable.
    pub path: PathBuf,
    /// Refuse writing.
    pub read_only: bool,
}

/// What a mount shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// A file or directory of the host, by absolute path.
    Host(PathBuf),
    /// A copy in memory of a directory or file of the host, made while the container starts. Of its own,
    /// writable unless the mount is read-only.
    Copy(PathBuf),
    /// A directory that lives with the sandbox and is shared by its containers under this name
    /// (an `emptyDir` volume).
    Shared(String),
}

/// A file to be written into a container.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute path in the container.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// Contents.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for File {
    /// Without the contents, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "File({:?}, {:o}, {} bytes)",
            self.path,
            self.mode,
            self.bytes.len()
        )
    }
}

/// Another program in a running container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecSpec {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Added to the container's environment.
    pub env: Vec<(String, String)>,
    /// Working directory; absent: the container's.
    pub cwd: Option<PathBuf>,
    /// Standard input is the terminal that controls the program (see [`crate::Terminal`]).
    pub tty: bool,
}

/// The standard streams of a program; an absent one is `/dev/null`.
#[derive(Debug, Default)]
pub struct Stdio {
    /// Standard input.
    pub stdin: Option<OwnedFd>,
    /// Standard output.
    pub stdout: Option<OwnedFd>,
    /// Standard error.
    pub stderr: Option<OwnedFd>,
}

/// A socket to open in a sandbox or router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SocketSpec {
    /// TCP, connecting (the connection is under way when the socket is handed over).
    TcpConnect(SocketAddrV4),
    /// TCP, listening.
    TcpListen(SocketAddrV4),
    /// UDP, bound.
    Udp(SocketAddrV4),
    /// `AF_PACKET`, raw, every protocol, bound to the named interface. Captures from the moment it is opened.
    Packet(String),
}

/// Names a program that the node started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId(pub(crate) u64);

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// The number a shell would show: the code, or 128 and the signal.
    pub fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cidr;

    #[test]
    fn networks_are_read_back_as_written() {
        for text in ["10.1.0.0/16", "0.0.0.0/0", "203.0.113.10/32"] {
            assert_eq!(
                text.parse::<Cidr>().map(|c| c.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn host_bits_and_nonsense_are_refused() {
        for text in ["10.1.0.1/16", "10.1.0.0", "10.1.0.0/33", "x/8", "1.0.0.0/0"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
