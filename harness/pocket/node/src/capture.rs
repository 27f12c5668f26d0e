//! Captures what passes an interface of the caller's own network namespace.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, recvmsg, setsockopt,
    sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns},
};

use crate::sys;

/// Room in the kernel for packets that were not received yet. Only the machine's own administrator gets
/// all of it; others get what `net.core.rmem_max` allows.
const ROOM: usize = 64 * 1024 * 1024;

/// A socket that sees every packet of one interface, both ways, from its link header on.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    seen: u64,
    dropped: u64,
}

/// A packet that was received into a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes of it in the buffer.
    pub captured: usize,
    /// Bytes that it had on the interface.
    pub length: usize,
    /// When it passed, since 1970.
    pub at: Duration,
}

/// What the kernel counted since the socket was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that passed.
    pub seen: u64,
    /// Of these, packets for which there was no room.
    pub dropped: u64,
}

impl PacketSocket {
    /// Captures from now on.
    ///
    /// # Errors
    /// There is no such interface, or the caller may not capture.
    pub fn open(interface: &str) -> io::Result<Self> {
        let index = nix::net::if_::if_nametoindex(interface)?;
        let fd = sys::packet_socket(index)?;
        // What the kernel does not give here shows in `Counts::dropped`.
        if setsockopt(&fd, RcvBufForce, &ROOM).is_err() {
            setsockopt(&fd, RcvBuf, &ROOM)?;
        }
        setsockopt(&fd, ReceiveTimestampns, &true)?;
        Ok(Self {
            fd,
            seen: 0,
            dropped: 0,
        })
    }

    /// The next packet, if there is one.
    ///
    /// # Errors
    /// The interface is gone.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let captured = buffer.len();
        let mut parts = [IoSliceMut::new(buffer)];
        let mut space = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let message = loop {
            match recvmsg::<()>(self.fd.as_raw_fd(), &mut parts, Some(&mut space), flags) {
                Ok(message) => break message,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        };
        let stamp = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
            _ => None,
        });
        Ok(Some(Received {
            captured: captured.min(message.bytes),
            length: message.bytes,
            at: stamp.unwrap_or_else(now),
        }))
    }

    /// What was counted so far.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn counts(&mut self) -> io::Result<Counts> {
        let (seen, dropped) = sys::packet_statistics(self.fd.as_fd())?;
        self.seen += u64::from(seen);
        self.dropped += u64::from(dropped);
        Ok(Counts {
            seen: self.seen,
            dropped: self.dropped,
        })
    }
}

/// The time, as packets' times are told.
pub fn now() -> Duration {
    // A clock before 1970 gives times that mean nothing, as it would give every packet.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
