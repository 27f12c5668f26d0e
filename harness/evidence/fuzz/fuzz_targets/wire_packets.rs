//! `cargo +nightly fuzz run wire_packets`: a capture file, or else packets, each with a byte for its link
//! and a byte for its length in front. No input may panic, and no byte may be counted twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meshproof_evidence::wire::{Capture, Link, Packet, examine, gaps};
use meshproof_record::WireSide;

fuzz_target!(|data: &[u8]| {
    let canaries = ["a".to_owned(), "canary".to_owned()];
    if let Ok(capture) = Capture::read(data) {
        check(capture.iter().collect(), &canaries);
    }
    let mut packets = Vec::new();
    let mut rest = data;
    while let [link, length, more @ ..] = rest {
        let link = [Link::Ethernet, Link::Ip, Link::Cooked, Link::CookedTwo][usize::from(link % 4)];
        let (bytes, more) = more.split_at(more.len().min(usize::from(*length)));
        packets.push(Packet { link, at: packets.len() as u64, length: bytes.len(), data: bytes });
        rest = more;
    }
    check(packets, &canaries);
});

fn check(packets: Vec<Packet<'_>>, canaries: &[String]) {
    let captured: u64 = packets.iter().map(|packet| packet.data.len() as u64).sum();
    let found = examine(packets, canaries);
    let _ = gaps(&found);
    let sides = found.connections.iter().flat_map(|c| WireSide::BOTH.map(|side| c.from(side)));
    let counted: u64 = sides.map(|sent| sent.bytes + sent.repeated).sum();
    assert!(counted <= captured, "{counted} bytes of {captured}");
}
