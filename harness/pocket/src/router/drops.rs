//! `drops [--follow]`: what the network counted.
//!
//! It prints a line at once and, when following, one more whenever a count has changed. Each line is
//! the whole state, a JSON array of `{"saddr", "daddr", "dport", "syns", "drops"}`: TCP packets with
//! SYN, by where they came from and went to; `drops` counts those that came over the link for no
//! declared port.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

use meshproof_pocket_node::counters::{self, BorderCounts};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};
use serde_json::json;

/// Prints the counts once.
pub(super) fn once() -> Result<(), String> {
    print(&list()?)
}

/// Prints the counts, and again after each SYN that changes them. The packet socket is there before
/// the first listing, so no SYN falls between the two.
pub(super) fn follow() -> Result<(), String> {
    let packets = packets()?;
    let mut printed = list()?;
    print(&printed)?;
    loop {
        wait_for_syn(&packets)?;
        let counts = list()?;
        if counts != printed {
            print(&counts)?;
            printed = counts;
        }
    }
}

/// Sees every IPv4 packet of the router, from the IP header on.
fn packets() -> Result<OwnedFd, String> {
    socket(
        AddressFamily::Packet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthIp,
    )
    .map_err(|e| format!("opening a packet socket: {e}"))
}

fn wait_for_syn(packets: &OwnedFd) -> Result<(), String> {
    let mut packet = [0; 64];
    loop {
        match recv(packets.as_raw_fd(), &mut packet, MsgFlags::MSG_TRUNC) {
            Ok(length) if is_syn(&packet[..length.min(packet.len())]) => return Ok(()),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(format!("receiving packets: {e}")),
        }
    }
}

/// A TCP packet that opens a connection (RFC 9293: SYN without ACK).
fn is_syn(packet: &[u8]) -> bool {
    const TCP: u8 = 6;
    let header = packet.first().map_or(0, |b| usize::from(b & 0x0f) * 4);
    packet.get(9) == Some(&TCP)
        && packet
            .get(header + 13)
            .is_some_and(|flags| flags & 0x12 == 0x02)
}

fn list() -> Result<BorderCounts, String> {
    let [program, args @ ..] = counters::LIST;
    let listed = Command::new(program)
        .args(args)
        .output()
        .map_err(|e| format!("running {program}: {e}"))?;
    if !listed.status.success() {
        return Err(format!(
            "{program}: {}",
            String::from_utf8_lossy(&listed.stderr).trim()
        ));
    }
    counters::parse(&String::from_utf8_lossy(&listed.stdout)).map_err(|e| e.to_string())
}

fn print(counts: &BorderCounts) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", line(counts))
        .and_then(|()| out.flush())
        .map_err(|e| format!("printing: {e}"))
}

fn line(counts: &BorderCounts) -> serde_json::Value {
    let mut rows: BTreeMap<(Ipv4Addr, Ipv4Addr, u16), (u64, u64)> = BTreeMap::new();
    for c in &counts.left {
        rows.entry((c.source, c.destination, c.port)).or_default().0 += c.packets;
    }
    for c in &counts.dropped {
        let row = rows.entry((c.source, c.destination, c.port)).or_default();
        *row = (row.0 + c.packets, row.1 + c.packets);
    }
    rows.into_iter()
        .map(|((saddr, daddr, dport), (syns, drops))| {
            json!({"saddr": saddr, "daddr": daddr, "dport": dport, "syns": syns, "drops": drops})
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshproof_pocket_node::counters::SynCount;

    #[test]
    fn only_the_first_packet_of_a_connection_is_a_syn() {
        let mut packet = [0; 40];
        (packet[0], packet[9]) = (0x45, 6);
        for (flags, expected) in [(0x02, true), (0x12, false), (0x10, false), (0xc2, true)] {
            packet[33] = flags;
            assert_eq!(is_syn(&packet), expected, "{flags:x}");
        }
        packet[9] = 17;
        assert!(!is_syn(&packet) && !is_syn(&[]) && !is_syn(&[0x4f]));
    }

    #[test]
    fn a_line_is_the_whole_state() {
        let count = |source: [u8; 4], packets| SynCount {
            source: source.into(),
            destination: [203, 0, 113, 10].into(),
            port: 3306,
            packets,
        };
        let counts = BorderCounts {
            left: vec![count([10, 1, 0, 9], 2)],
            dropped: vec![count([198, 18, 0, 1], 1)],
        };
        assert_eq!(
            line(&counts).to_string(),
            r#"[{"saddr":"10.1.0.9","daddr":"203.0.113.10","dport":3306,"syns":2,"drops":0},{"saddr":"198.18.0.1","daddr":"203.0.113.10","dport":3306,"syns":1,"drops":1}]"#
        );
    }
}
