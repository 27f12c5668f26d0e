//! What the test binary does inside containers and as a helper process.

use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use meshproof_pocket_node::capture::PacketSocket;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrIn, setsockopt, sockopt};

/// Runs the applet that the arguments name, if they do: `applet NAME ...`.
pub(crate) fn run() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, word, rest @ ..] = arguments.as_slice() else {
        return None;
    };
    if word != "applet" {
        return None;
    }
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match rest.as_slice() {
        ["unix", path] => unix(path),
        ["tcp", source, mark, to] => tcp(
            source.parse().unwrap(),
            mark.parse().unwrap(),
            to.parse().unwrap(),
        ),
        ["capture", interface] => capture(interface),
        ["refused"] => crate::refusal::refused(),
        ["hold"] => crate::death::hold(),
        other => panic!("unknown applet {other:?}"),
    }
    Some(ExitCode::SUCCESS)
}

/// Prints what a Unix socket says.
fn unix(path: &str) {
    let mut text = String::new();
    UnixStream::connect(path)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    print(&text);
}

/// Connects from an address with a socket mark and prints what is said.
fn tcp(source: SocketAddrV4, mark: u32, to: SocketAddrV4) {
    let fd = socket::socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    setsockopt(&fd, sockopt::Mark, &mark).unwrap();
    let raw = std::os::fd::AsRawFd::as_raw_fd(&fd);
    socket::bind(raw, &SockaddrIn::from(source)).unwrap();
    socket::connect(raw, &SockaddrIn::from(to)).unwrap();
    let mut text = String::new();
    TcpStream::from(fd).read_to_string(&mut text).unwrap();
    print(&text);
}

/// Captures without receiving until standard input ends, and then prints what was received, the longest
/// of it, and what was counted as seen and as dropped.
fn capture(interface: &str) {
    let mut socket = PacketSocket::open(interface).unwrap();
    print("ready\n");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let (mut received, mut longest) = (0, 0);
    let counts = socket.drain(|packet| {
        assert_eq!(packet.data.len(), packet.length);
        received += 1;
        longest = longest.max(packet.length);
    });
    let counts = counts.unwrap();
    print(&format!(
        "{received} {longest} {} {}",
        counts.seen, counts.dropped
    ));
}

pub(crate) fn print(text: &str) {
    std::io::stdout().write_all(text.as_bytes()).unwrap();
}
