//! The messages between parent and child: one JSON document and some file descriptors a datagram.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{Failure, NodeError};
use crate::spec::{
    ContainerSpec, ExecSpec, Exit, LinkSpec, ProcessId, RouterSpec, SandboxSpec, SocketSpec,
};

/// Longest message in bytes: well below the smallest default socket buffer (208 KiB).
pub(crate) const LIMIT: usize = 128 * 1024;

/// Most descriptors in one message; the kernel's `SCM_MAX_FD` is 253.
pub(crate) const MAX_FDS: usize = 64;

/// What the parent asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    /// Names the answer; of a program also its [`ProcessId`].
    pub(crate) id: u64,
    pub(crate) request: Request,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    CreateRouter(RouterSpec),
    Link(LinkSpec),
    CreateSandbox(SandboxSpec),
    RemoveSandbox {
        name: String,
    },
    /// Descriptor: a file with the ruleset.
    Nft {
        netns: String,
    },
    FlushConntrack {
        netns: String,
    },
    /// Descriptors: a file with the contents of `files` if there are any, then the streams.
    Start {
        sandbox: String,
        spec: ContainerSpec,
        files: Vec<FileSlice>,
        streams: Streams,
    },
    /// Descriptors: the streams.
    Exec {
        container: ProcessId,
        spec: ExecSpec,
        streams: Streams,
    },
    Signal {
        process: ProcessId,
        signal: i32,
    },
    Socket {
        netns: String,
        socket: SocketSpec,
    },
}

/// A stretch of the file that holds the contents of all files of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileSlice {
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
    pub(crate) length: usize,
}

/// Which of standard input, output and error come as descriptors, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Streams(pub(crate) [bool; 3]);

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// Namespaces, mounts and a veth were made.
    Ready,
    /// One of them could not be made.
    Refused { step: String, errno: i32 },
    /// The answer to a call, with descriptors where it asked for some.
    Reply {
        id: u64,
        result: Result<(), Failure>,
    },
    /// A program ended. Comes after the answer that it was started.
    Exited { id: ProcessId, exit: Exit },
}

/// Writes a message as it goes over the wire.
pub(crate) fn encode(message: &impl Serialize) -> Result<Vec<u8>, NodeError> {
    let bytes = serde_json::to_vec(message).map_err(NodeError::NotText)?;
    if bytes.len() > LIMIT {
        return Err(NodeError::TooLarge {
            found: bytes.len(),
            limit: LIMIT,
        });
    }
    Ok(bytes)
}

/// Reads a message; the error text names the field.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// Sends one message. `WouldBlock` on a full non-blocking socket: nothing was sent then.
pub(crate) fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("more than {MAX_FDS} descriptors"),
        ));
    }
    loop {
        match rustix::net::sendmsg(
            &socket,
            &[IoSlice::new(bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map(drop).map_err(Into::into),
        }
    }
}

/// Receives one message into `buffer`; absent at the end of the stream.
pub(crate) fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
) -> io::Result<Option<(usize, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut parts = [IoSliceMut::new(buffer)];
        match rustix::net::recvmsg(&socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(list) = message {
            fds.extend(list);
        }
    }
    if received
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a message was cut off",
        ));
    }
    Ok((received.bytes > 0).then_some((received.bytes, fds)))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::{Call, Event, LIMIT, Request, decode, encode, receive, send};
    use crate::error::NodeError;

    #[test]
    fn descriptors_and_text_arrive_together() {
        let (a, b) = rustix::net::socketpair(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::SEQPACKET,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let call = Call {
            id: 7,
            request: Request::FlushConntrack {
                netns: "client".into(),
            },
        };
        send(&a, &encode(&call).unwrap(), &[a.as_fd()]).unwrap();
        let mut buffer = vec![0; LIMIT];
        let (length, fds) = receive(&b, &mut buffer).unwrap().unwrap();
        let back: Call = decode(&buffer[..length]).unwrap();
        assert_eq!((back.id, fds.len()), (7, 1));
        drop((a, fds));
        assert!(receive(&b, &mut buffer).unwrap().is_none());
    }

    #[test]
    fn long_messages_are_refused_before_sending() {
        let event = Event::Refused {
            step: "x".repeat(LIMIT),
            errno: 1,
        };
        assert!(matches!(encode(&event), Err(NodeError::TooLarge { .. })));
    }
}
