//! Writes a capture as blocks of pcapng.

use std::time::Duration;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
const ORDER: u32 = 0x1a2b_3c4d;
const ETHERNET: u16 = 1;

const COMMENT: u16 = 1;
const PROGRAM: u16 = 4;
const NAME: u16 = 2;
const TIME_UNIT: u16 = 9;
const RECEIVED: u16 = 4;
const KERNEL_DROPS: u16 = 5;
const OWN_DROPS: u16 = 7;

/// What was counted up to a place in the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Packets that passed.
    pub(super) received: u64,
    /// Packets that the kernel had no room for.
    pub(super) kernel_drops: u64,
    /// Packets that this program had no room for.
    pub(super) own_drops: u64,
}

/// The beginning: a section, and the one interface that it is about, with times in nanoseconds.
pub(super) fn beginning(interface: &str) -> Vec<u8> {
    let mut bytes = block(SECTION, |body| {
        body.extend(ORDER.to_le_bytes());
        body.extend([1, 0, 0, 0]);
        body.extend(u64::MAX.to_le_bytes());
        option(body, PROGRAM, super::COMMAND.as_bytes());
        option(body, 0, &[]);
    });
    bytes.extend(block(INTERFACE, |body| {
        body.extend(ETHERNET.to_le_bytes());
        body.extend([0; 2]);
        // No limit to a packet's length.
        body.extend([0; 4]);
        option(body, NAME, interface.as_bytes());
        option(body, TIME_UNIT, &[9]);
        option(body, 0, &[]);
    }));
    bytes
}

/// A packet of which `data` was captured.
pub(super) fn packet(at: Duration, length: usize, data: &[u8]) -> Vec<u8> {
    block(PACKET, |body| {
        body.extend([0; 4]);
        time(body, at);
        body.extend(short(data.len()).to_le_bytes());
        body.extend(short(length).to_le_bytes());
        body.extend(data);
    })
}

/// Counts, and a word beside them.
pub(super) fn statistics(at: Duration, counted: Counted, comment: &str) -> Vec<u8> {
    block(STATISTICS, |body| {
        body.extend([0; 4]);
        time(body, at);
        option(body, COMMENT, comment.as_bytes());
        for (code, count) in [
            (RECEIVED, counted.received),
            (KERNEL_DROPS, counted.kernel_drops),
            (OWN_DROPS, counted.own_drops),
        ] {
            option(body, code, &count.to_le_bytes());
        }
        option(body, 0, &[]);
    })
}

fn time(body: &mut Vec<u8>, at: Duration) {
    // The year 2554 is far.
    let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
    // The higher half stands in front.
    let bytes = at.to_le_bytes();
    body.extend(&bytes[4..]);
    body.extend(&bytes[..4]);
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    // Words come from a command line of ours and are short; a longer one is cut.
    let value = &value[..value.len().min(1024)];
    body.extend(code.to_le_bytes());
    body.extend(&short(value.len()).to_le_bytes()[..2]);
    body.extend(value);
    fill(body);
}

fn block(kind: u32, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend([0; 4]);
    write(&mut bytes);
    fill(&mut bytes);
    let length = short(bytes.len() + 4).to_le_bytes();
    bytes[4..8].copy_from_slice(&length);
    bytes.extend(length);
    bytes
}

fn fill(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// Lengths are of packets and of words: far below four gigabytes.
fn short(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshproof_evidence::wire::{Block, Blocks, Capture};

    fn written() -> Vec<u8> {
        let mut bytes = beginning("link");
        let at = Duration::new(1_700_000_000, 123_456_789);
        bytes.extend(packet(at, 61, &[7; 61]));
        bytes.extend(packet(at, 5_000, &[8; 1_000]));
        let counted = Counted {
            received: 5,
            kernel_drops: 2,
            own_drops: 1,
        };
        bytes.extend(statistics(at, counted, "word"));
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let capture = Capture::read(&written()).unwrap();
        let packets: Vec<_> = capture
            .iter()
            .map(|p| (p.at, p.length, p.data.len()))
            .collect();
        let at = 1_700_000_000_123_456_789;
        assert_eq!(packets, [(at, 61, 61), (at, 5_000, 1_000)]);
        assert_eq!(capture.dropped, 3);
        let mut blocks = Blocks::default();
        blocks.push(&written());
        let mut words = Vec::new();
        while let Some((block, _)) = blocks.next().unwrap() {
            if let Block::Statistics { comment, .. } = block {
                words.extend(comment);
            }
        }
        assert_eq!(words, ["word"]);
    }

    /// Where tshark is there, it must agree.
    #[test]
    fn tshark_reads_it() {
        use std::process::{Command, Stdio};
        let tshark = |arguments: &[&str]| {
            let mut command = Command::new("tshark");
            command.args(["-r", "-"]).args(arguments);
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut child = command.spawn().ok()?;
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), &written()).unwrap();
            Some(child.wait_with_output().unwrap())
        };
        let fields = [
            "-T",
            "fields",
            "-e",
            "frame.time_epoch",
            "-e",
            "frame.len",
            "-e",
            "frame.cap_len",
            "-e",
            "frame.interface_name",
        ];
        let Some(output) = tshark(&fields) else {
            eprintln!("skipped: there is no tshark");
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout);
        let rows: Vec<Vec<&str>> = said
            .lines()
            .map(|line| line.split('\t').collect())
            .collect();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(rows.len(), 2, "{output:?}");
        assert!(rows[0][0].contains("123456789"), "{rows:?}");
        assert_eq!(rows[0][1..], ["61", "61", "link"]);
        assert_eq!(rows[1][1..], ["5000", "1000", "link"]);
    }
}
