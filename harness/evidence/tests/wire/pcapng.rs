//! Captures of the newer kind, whole and block by block.

use meshproof_evidence::wire::{Block, Blocks, Capture, CaptureError};
use proptest::prelude::*;

use crate::support::capture;

/// How numbers are written.
type Write = (fn(u16) -> [u8; 2], fn(u32) -> [u8; 4], fn(u64) -> [u8; 8]);
const LITTLE: Write = (u16::to_le_bytes, u32::to_le_bytes, u64::to_le_bytes);
const BIG: Write = (u16::to_be_bytes, u32::to_be_bytes, u64::to_be_bytes);

fn block(kind: u32, mut body: Vec<u8>, (_, long, _): Write) -> Vec<u8> {
    body.resize(body.len().next_multiple_of(4), 0);
    let length = long(u32::try_from(body.len() + 12).unwrap());
    [&long(kind), &length, &body[..], &length].concat()
}

fn option(code: u16, value: &[u8], (short, ..): Write) -> Vec<u8> {
    let mut option = [
        &short(code)[..],
        &short(u16::try_from(value.len()).unwrap()),
        value,
    ]
    .concat();
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

/// A recording as pcapng, with nanoseconds, and statistics with a comment behind it.
fn written(name: &str, write: Write) -> Vec<u8> {
    let (short, long, longer) = write;
    let mut bytes = block(
        0x0a0d_0d0a,
        [
            &long(0x1a2b_3c4d)[..],
            &short(1),
            &short(0),
            &longer(u64::MAX),
        ]
        .concat(),
        write,
    );
    let interface = [&short(1)[..], &short(0), &long(0), &option(9, &[9], write)].concat();
    bytes.extend(block(1, interface, write));
    for packet in capture(name).packets {
        let length = u32::try_from(packet.data.len()).unwrap();
        let time = [
            long((packet.at >> 32) as u32),
            long((packet.at & 0xffff_ffff) as u32),
        ]
        .concat();
        let body = [
            &long(0)[..],
            &time,
            &long(length),
            &long(length),
            &packet.data,
        ]
        .concat();
        bytes.extend(block(6, body, write));
    }
    // A block of a kind that nobody knows is passed over.
    bytes.extend(block(0x4d50, vec![1, 2, 3], write));
    let statistics = [
        &long(0)[..],
        &longer(0),
        &option(1, b"a word", write),
        &option(5, &longer(3), write),
        &option(7, &longer(4), write),
    ];
    bytes.extend(block(5, statistics.concat(), write));
    bytes
}

#[test]
fn both_kinds_of_file_say_the_same() {
    for write in [LITTLE, BIG] {
        let read = Capture::read(&written("ok-12", write)).unwrap();
        assert_eq!(read.packets, capture("ok-12").packets);
        assert_eq!(read.dropped, 7);
    }
}

#[test]
fn what_is_said_beside_the_counts() {
    let mut blocks = Blocks::default();
    blocks.push(&written("sni-foreign", LITTLE));
    let mut last = None;
    while let Some((block, bytes)) = blocks.next().unwrap() {
        assert_eq!(bytes.len() % 4, 0);
        last = Some(block);
    }
    let comment = Some("a word".to_owned());
    assert_eq!(
        last,
        Some(Block::Statistics {
            dropped: 7,
            comment
        })
    );
    assert!(blocks.is_empty());
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_same_blocks(cuts in prop::collection::vec(1..400usize, 1..60)) {
        let bytes = written("ok-13", LITTLE);
        let mut blocks = Blocks::default();
        let (mut copied, mut packets) = (Vec::new(), Vec::new());
        let mut rest = &bytes[..];
        let mut cuts = cuts.into_iter().cycle();
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            rest = more;
            blocks.push(piece);
            while let Some((block, raw)) = blocks.next().unwrap() {
                copied.extend_from_slice(raw);
                if let Block::Packet(packet) = block {
                    packets.push(packet);
                }
            }
        }
        prop_assert_eq!(copied, bytes);
        prop_assert_eq!(packets, capture("ok-13").packets);
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let good = written("ok-12", LITTLE);
    let error = |bytes: &[u8]| Capture::read(bytes).unwrap_err();
    assert_eq!(error(b"no capture"), CaptureError::NotACapture);
    assert_eq!(error(b""), CaptureError::NotACapture);
    assert!(matches!(
        error(&good[..good.len() - 3]),
        CaptureError::Short(_)
    ));
    let mut odd = good.clone();
    odd[4] = 29;
    assert!(matches!(error(&odd), CaptureError::Block { at: 0, .. }));
    let mut unknown = good;
    unknown[28 + 8] = 99;
    assert!(
        error(&unknown).to_string().contains("link type 99"),
        "{}",
        error(&unknown)
    );
    let pcap = std::fs::read(crate::support::folder().join("ok-12.pcap")).unwrap();
    assert!(matches!(
        error(&pcap[..pcap.len() - 1]),
        CaptureError::Short(_)
    ));
}
