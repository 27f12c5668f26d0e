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
use std::time::Duration;

use meshproof_pocket_node::capture::{PacketSocket, Received, now};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::outlet::Outlet;
use super::pcapng::{self, Counted};

/// Bytes kept of a packet. A veth hands over up to 64 KB at once, and more where large IPv4 packets are
/// switched on.
const MOST: usize = 512 * 1024;
/// Packets between two looks at standard input.
const AT_ONCE: usize = 256;
/// The command on standard input.
const MARK: &str = "mark ";
/// The comment of the last statistics.
const END: &str = "end";

/// Captures on an interface.
pub(super) fn run(interface: &str) -> Result<(), String> {
    let socket = PacketSocket::open(interface)
        .map_err(|e| format!("capturing on interface {interface}: {e}"))?;
    let outlet = Outlet::default();
    outlet.put(pcapng::beginning(interface, MOST), false);
    std::thread::scope(|scope| {
        // The socket is read by this thread and nothing else, so that it is never waited with.
        scope.spawn(|| outlet.drain(io::stdout().lock()));
        let mut capture = Capture {
            socket,
            outlet: &outlet,
            own_drops: 0,
            buffer: vec![0; MOST],
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
    buffer: Vec<u8>,
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
                self.packets(None)?;
            }
        }
    }

    /// Everything that passed before now, and then what was counted.
    fn mark(&mut self, word: &str) -> io::Result<()> {
        self.packets(Some(now()))?;
        let counts = self.socket.counts()?;
        let counted = Counted {
            received: counts.seen,
            kernel_drops: counts.dropped,
            own_drops: self.own_drops,
        };
        let block = pcapng::statistics(now(), counted, word);
        self.outlet.put(block, false);
        Ok(())
    }

    /// Copies what is there. On a busy link that has an end too: when somebody may have asked for
    /// something, or with the first packet that passed after `until`.
    fn packets(&mut self, until: Option<Duration>) -> io::Result<()> {
        let mut count = 0;
        while let Some(received) = self.socket.receive(&mut self.buffer)? {
            let Received {
                captured,
                length,
                at,
            } = received;
            let block = pcapng::packet(at, length, &self.buffer[..captured]);
            if !self.outlet.put(block, true) {
                self.own_drops += 1;
            }
            count += 1;
            if until.map_or(count >= AT_ONCE, |until| at > until) {
                break;
            }
        }
        Ok(())
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
    // An end or an error shows when it is read.
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
