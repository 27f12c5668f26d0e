//! `capture`: every packet on the link, as pcapng on standard output, for as long as standard input is
//! open.
//!
//! On the client cluster's router that is behind its masquerade and before the server cluster's. A line
//! `mark WORD` on standard input is answered, when every packet that passed before it stands in the
//! output, by the interface's statistics with WORD as their comment: what was seen, and what was lost,
//! by the kernel (`ifdrop`) or for want of somebody who reads (`osdrop`). The first block tells that the
//! capture has begun.

use std::io;
use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

use meshproof_pocket_node::capture::{CapturedPacket, PacketSocket};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt::SocketError};

use super::outlet::Outlet;
use super::pcapng::{self, Counted};

/// The command on standard input.
const MARK: &str = "mark ";
/// The comment of the last statistics.
const END: &str = "end";

/// Captures on an interface.
pub(super) fn run(interface: &str) -> Result<(), String> {
    let socket = PacketSocket::open(interface)
        .map_err(|e| format!("capturing on interface {interface}: {e}"))?;
    let outlet = Outlet::default();
    outlet.put(pcapng::beginning(interface), false);
    std::thread::scope(|scope| {
        // The socket is read by this thread and nothing else, so that it is never waited with.
        scope.spawn(|| outlet.drain(io::stdout().lock()));
        let mut capture = Capture {
            socket,
            outlet: &outlet,
            own_drops: 0,
        };
        let done = capture.follow(&io::stdin());
        outlet.end();
        done.map_err(|e| format!("capturing on interface {interface}: {e}"))
    })?;
    match outlet.broken() {
        None => Ok(()),
        Some(why) => Err(format!("writing the capture: {why}")),
    }
}

struct Capture<'a> {
    socket: PacketSocket,
    outlet: &'a Outlet,
    own_drops: u64,
}

impl Capture<'_> {
    /// Copies packets and answers marks until the input ends or nobody reads.
    fn follow(&mut self, input: &impl AsFd) -> io::Result<()> {
        let mut lines = Lines::default();
        loop {
            let (packets, asked) = wait(&self.socket, input)?;
            if self.outlet.broken().is_some() {
                return Ok(());
            }
            if asked {
                let more = lines.fill(input)?;
                while let Some(line) = lines.next() {
                    if let Some(word) = line.strip_prefix(MARK) {
                        self.mark(word.trim())?;
                    }
                }
                if !more {
                    return self.mark(END);
                }
            } else if packets {
                // One block, then another look at who asks.
                self.socket.take(keep(self.outlet, &mut self.own_drops))?;
            }
        }
    }

    /// Everything that passed before now, and then what was counted.
    fn mark(&mut self, word: &str) -> io::Result<()> {
        let counts = self.socket.drain(keep(self.outlet, &mut self.own_drops))?;
        let counted = Counted {
            received: counts.seen,
            kernel_drops: counts.dropped,
            own_drops: self.own_drops,
        };
        // A clock before 1970 is told as 1970: the time of a mark is for people.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let block = pcapng::statistics(now.unwrap_or_default(), counted, word);
        self.outlet.put(block, false);
        Ok(())
    }
}

/// Keeps packets as long as there is room for them.
fn keep(outlet: &Outlet, lost: &mut u64) -> impl FnMut(CapturedPacket<'_>) {
    move |packet| {
        let block = pcapng::packet(packet.at, packet.length, packet.data);
        if !outlet.put(block, true) {
            *lost += 1;
        }
    }
}

/// Waits for packets or for input, and says which there is.
fn wait(socket: &PacketSocket, input: &impl AsFd) -> io::Result<(bool, bool)> {
    let mut both = [
        PollFd::new(socket.as_fd(), PollFlags::POLLIN),
        PollFd::new(input.as_fd(), PollFlags::POLLIN),
    ];
    loop {
        match poll(&mut both, PollTimeout::NONE) {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let failed = |fd: &PollFd<'_>| fd.revents().is_none_or(|e| e.contains(PollFlags::POLLERR));
    if failed(&both[0]) {
        let error = getsockopt(socket, SocketError).map_err(io::Error::from)?;
        return Err(io::Error::from_raw_os_error(error));
    }
    // The end of the input shows when it is read.
    let [packets, asked] = both.map(|fd| fd.any().unwrap_or(true));
    Ok((packets, asked))
}

/// Lines as they come.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
}

impl Lines {
    /// Reads what is there; false at the end.
    fn fill(&mut self, from: &impl AsFd) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let length = loop {
            // Without a buffer in between, in which a line could wait unseen.
            match nix::unistd::read(from, &mut buffer) {
                Ok(length) => break length,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
        self.bytes.extend_from_slice(&buffer[..length]);
        Ok(length > 0)
    }

    fn next(&mut self) -> Option<String> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let line = self.bytes.drain(..=end).collect::<Vec<u8>>();
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_any_pieces() {
        let (read, write) = nix::unistd::pipe().unwrap();
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in ["mark on", "e\nmark two\r\nma", "rk three\n"] {
            nix::unistd::write(&write, piece.as_bytes()).unwrap();
            assert!(lines.fill(&read).unwrap());
            found.extend(std::iter::from_fn(|| lines.next()));
        }
        assert_eq!(found, ["mark one", "mark two", "mark three"]);
        drop(write);
        assert!(!lines.fill(&read).unwrap());
    }
}
