//! `cargo +nightly fuzz run wire_tls`: what a client and a server send, with a zero byte twice between
//! them. No input may panic; what both speak depends on their bytes and not on the segments that carry
//! them.
#![no_main]

mod segments;

use libfuzzer_sys::fuzz_target;
use meshproof_evidence::wire::examine;
use segments::{Sender, captured};

fuzz_target!(|data: &[u8]| {
    let middle = data.windows(2).position(|pair| pair == [0, 0]);
    let (client, server) = match middle {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[][..]),
    };
    if client.len().max(server.len()) > 60_000 {
        return;
    }
    let read = |size: usize| {
        let mut packets = vec![Sender::CLIENT.syn(), Sender::SERVER.syn()];
        packets.extend(Sender::CLIENT.segments(client, size));
        packets.extend(Sender::SERVER.segments(server, size));
        let packets: Vec<_> = packets.iter().map(|bytes| captured(bytes)).collect();
        let canaries = ["canary".to_owned()];
        let mut found = examine(packets, &canaries);
        let connection = found.connections.pop().expect("one connection");
        (connection.tls, connection.mysql, connection.from_client.speaks, connection.from_server.speaks, found.canaries)
    };
    let whole = read(60_000);
    assert_eq!(read(7), whole);
    let times = whole.4[0].times as usize;
    let count = |bytes: &[u8]| bytes.windows(6).filter(|window| *window == b"canary").count();
    assert_eq!(times, count(client) + count(server));
});
