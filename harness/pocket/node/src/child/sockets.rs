//! Sockets opened in a sandbox on behalf of the parent.

use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect, listen, socket_with, sockopt,
};

use crate::error::{Failure, Step};
use crate::spec::SocketSpec;
use crate::sys;

/// Opens it in the network namespace of the caller.
pub(super) fn open(spec: &SocketSpec) -> Result<OwnedFd, Failure> {
    match spec {
        SocketSpec::TcpConnect(to) => tcp_connect(*to),
        SocketSpec::TcpListen(on) => tcp_listen(*on).step(|| format!("listening on {on}")),
        SocketSpec::Udp(on) => udp(*on).step(|| format!("binding UDP {on}")),
        SocketSpec::Packet(interface) => packet(interface),
    }
}

fn make(kind: SocketType) -> Result<OwnedFd, Errno> {
    socket_with(
        AddressFamily::INET,
        kind,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
}

fn tcp_connect(to: SocketAddrV4) -> Result<OwnedFd, Failure> {
    let connecting = || format!("connecting to {to}");
    let fd = make(SocketType::STREAM).step(connecting)?;
    match connect(&fd, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(fd),
        Err(e) => Err(e).step(connecting),
    }
}

fn tcp_listen(on: SocketAddrV4) -> Result<OwnedFd, Errno> {
    let fd = make(SocketType::STREAM)?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    bind(&fd, &on)?;
    listen(&fd, 1024)?;
    Ok(fd)
}

fn udp(on: SocketAddrV4) -> Result<OwnedFd, Errno> {
    let fd = make(SocketType::DGRAM)?;
    bind(&fd, &on)?;
    Ok(fd)
}

fn packet(interface: &str) -> Result<OwnedFd, Failure> {
    let index = nix::net::if_::if_nametoindex(interface)
        .step(|| format!("finding the interface {interface}"))?;
    sys::packet_socket(index).step(|| format!("capturing on {interface}"))
}
