//! A TCP connection that is read with deadlines, and what the system says of its end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use meshproof_record::{ProbeEnd, ProbeTcp, ProbeTcpEnd};

/// Milliseconds since `start`, to the microsecond.
pub(crate) fn ms(start: Instant) -> f64 {
    (start.elapsed().as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// A connection that stands.
pub(crate) struct Wire {
    stream: TcpStream,
    /// Set when nothing can be sent any more. What came before can still be read.
    deaf: bool,
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Bytes(usize),
    Ended(ProbeEnd),
}

impl Wire {
    /// Tries each address until one answers. One that refuses does not keep the next from being tried.
    pub(crate) fn dial(
        addresses: &[SocketAddr],
        within: Duration,
    ) -> (Option<Self>, Vec<ProbeTcp>) {
        let mut tried = Vec::new();
        for address in addresses {
            let start = Instant::now();
            let dialled = TcpStream::connect_timeout(address, within);
            let time = ms(start);
            let (stream, error) = match dialled {
                Ok(stream) => (Some(stream), None),
                Err(error) => (None, Some(error)),
            };
            tried.push(ProbeTcp {
                ms: time,
                address: address.to_string(),
                end: error.as_ref().map_or(ProbeTcpEnd::Connected, tcp_end),
                error: error.map(|error| error.to_string()),
            });
            if let Some(stream) = stream {
                // The hello goes out at once either way; this is only about time.
                let _delayed = stream.set_nodelay(true);
                return (
                    Some(Self {
                        stream,
                        deaf: false,
                    }),
                    tried,
                );
            }
        }
        (None, tried)
    }

    /// Sends, unless the other side takes nothing any more: what it said before is read all the same.
    pub(crate) fn send(&mut self, bytes: &[u8], within: Duration) {
        if self.deaf {
            return;
        }
        let sent = self
            .stream
            .set_write_timeout(Some(within.max(SOON)))
            .and_then(|()| self.stream.write_all(bytes));
        self.deaf = sent.is_err();
    }

    /// Reads once, until the deadline at the latest.
    pub(crate) fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> Got {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // What is there already is read at the deadline too.
            let read = self
                .stream
                .set_read_timeout(Some(left.max(SOON)))
                .and_then(|()| self.stream.read(buffer));
            match read {
                Ok(0) => return Got::Ended(ProbeEnd::ClosedByPeer),
                Ok(count) => return Got::Bytes(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) && Instant::now() < deadline => {}
                Err(error) if is_timeout(&error) => return Got::Ended(ProbeEnd::Held),
                Err(_) => return Got::Ended(ProbeEnd::ResetByPeer),
            }
        }
    }

    /// Reads and forgets until the other side closes, or the deadline.
    pub(crate) fn drain(&mut self, deadline: Instant) -> ProbeEnd {
        let mut buffer = [0; 4096];
        loop {
            match self.read(&mut buffer, deadline) {
                Got::Bytes(_) if Instant::now() < deadline => {}
                Got::Bytes(_) => return ProbeEnd::Held,
                Got::Ended(end) => return end,
            }
        }
    }
}

/// The shortest timeout that a socket takes.
const SOON: Duration = Duration::from_millis(1);

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn tcp_end(error: &io::Error) -> ProbeTcpEnd {
    match error.kind() {
        ErrorKind::ConnectionRefused => ProbeTcpEnd::Refused,
        ErrorKind::ConnectionReset => ProbeTcpEnd::Reset,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => ProbeTcpEnd::TimedOut,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => ProbeTcpEnd::Unreachable,
        _ => ProbeTcpEnd::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_words_have_one_meaning_each() {
        for (kind, end) in [
            (ErrorKind::ConnectionRefused, ProbeTcpEnd::Refused),
            (ErrorKind::TimedOut, ProbeTcpEnd::TimedOut),
            (ErrorKind::HostUnreachable, ProbeTcpEnd::Unreachable),
            (ErrorKind::ConnectionReset, ProbeTcpEnd::Reset),
            (ErrorKind::PermissionDenied, ProbeTcpEnd::Failed),
        ] {
            assert_eq!(tcp_end(&kind.into()), end, "{kind}");
        }
    }
}
