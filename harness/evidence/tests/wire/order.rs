//! Packets in any order, cut anywhere, sent twice, lost.

use meshproof_evidence::wire::{CapturedPacket, gaps};
use meshproof_record::{WireEvidence, WireOpening, WireSeen, WireSide, WireSpeech};
use proptest::prelude::*;

use crate::support::{BY_CLIENT, BY_SERVER, CANARY, Sender, capture, look};

/// What both ends of a recording sent.
fn sent(name: &str) -> [Vec<u8>; 2] {
    let mut sides = [Vec::new(), Vec::new()];
    for packet in capture(name).packets {
        let sliced = etherparse::SlicedPacket::from_ethernet(&packet.data).unwrap();
        let Some(etherparse::TransportSlice::Tcp(tcp)) = sliced.transport else {
            panic!("every packet is TCP");
        };
        // The recordings have every byte once and in order.
        sides[usize::from(tcp.source_port() == 13306)].extend_from_slice(tcp.payload());
    }
    sides
}

fn opening() -> Vec<CapturedPacket> {
    vec![BY_CLIENT.syn(), BY_SERVER.syn_ack(BY_CLIENT)]
}

/// Stretches of `bytes` that begin at `cuts`, each `more` bytes longer than up to the next.
fn cut(by: Sender, bytes: &[u8], cuts: &[usize], more: usize) -> Vec<CapturedPacket> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % bytes.len().max(1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.dedup();
    let stretch = |ends: &[usize]| {
        let end = (ends[1] + more).min(bytes.len());
        by.data(ends[0], &bytes[ends[0]..end])
    };
    cuts.windows(2).map(stretch).collect()
}

/// Everything but times and the numbers of packets.
fn facts(mut found: WireEvidence) -> WireEvidence {
    found.packets = 0;
    for connection in &mut found.connections {
        connection.started_ms = 0.0;
        connection.lasted_ms = 0.0;
        connection.answered_ms = None;
        for sent in [&mut connection.from_client, &mut connection.from_server] {
            sent.packets = 0;
            sent.repeated = 0;
            sent.fin_ms = sent.fin_ms.map(|_| 0.0);
        }
    }
    found
}

fn straight([client, server]: &[Vec<u8>; 2]) -> WireEvidence {
    let mut packets = opening();
    packets.push(BY_CLIENT.data(0, client));
    packets.push(BY_SERVER.data(0, server));
    packets.push(BY_CLIENT.fin(client.len()));
    packets.push(BY_SERVER.fin(server.len()));
    facts(look(packets))
}

fn recording() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "ok-12",
        "ok-13",
        "plaintext",
        "client-cert-expired-12",
        "server-simple-12",
    ])
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..5_000usize, 0..40)
}

proptest! {
    #[test]
    fn neither_order_nor_borders_matter(
        name in recording(),
        cuts in [cuts(), cuts()],
        more in 0..40usize,
        twice in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        order in any::<u64>(),
    ) {
        let both = sent(name);
        let mut packets = opening();
        packets.extend(cut(BY_CLIENT, &both[0], &cuts[0], more));
        packets.extend(cut(BY_SERVER, &both[1], &cuts[1], more));
        packets.push(BY_CLIENT.fin(both[0].len()));
        packets.push(BY_SERVER.fin(both[1].len()));
        for index in twice {
            packets.push(index.get(&packets).clone());
        }
        shuffle(&mut packets, order);
        let mut found = facts(look(packets));
        // A SYN may have been repeated too.
        found.connections[0].syns = 1;
        prop_assert_eq!(found, straight(&both));
    }

    #[test]
    fn what_was_lost_is_missed(name in recording(), cuts in cuts(), lost in any::<prop::sample::Index>()) {
        let [client, server] = sent(name);
        let mut parts = cut(BY_CLIENT, &client, &cuts, 0);
        let gone = lost.index(parts.len());
        parts.remove(gone);
        let mut packets = opening();
        packets.extend(parts);
        packets.push(BY_SERVER.data(0, &server));
        // Either of both tells that there was more.
        packets.push(BY_SERVER.ack(BY_CLIENT, client.len()));
        let found = look(packets);
        let sent = &found.connections[0].from_client;
        prop_assert_eq!(sent.bytes + sent.missing, client.len() as u64);
        prop_assert!(sent.missing > 0);
        prop_assert!(!gaps(&found).is_empty());
    }
}

/// A permutation that depends on nothing but the number.
fn shuffle(packets: &mut [CapturedPacket], mut seed: u64) {
    for last in (1..packets.len()).rev() {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        packets.swap(last, usize::try_from(seed >> 33).unwrap() % (last + 1));
    }
}

#[test]
fn a_canary_across_segments_is_found_and_across_a_gap_is_not_invented() {
    let halves = |second_at: usize| {
        let mut packets = opening();
        packets.push(BY_CLIENT.data(0, &CANARY.as_bytes()[..6]));
        packets.push(BY_CLIENT.data(second_at, &CANARY.as_bytes()[6..]));
        look(packets)
    };
    let found = halves(6);
    assert_eq!((found.canaries[0].times, gaps(&found).len()), (1, 0));
    let found = halves(7);
    assert_eq!(found.canaries[0].times, 0);
    assert_eq!(gaps(&found).len(), 1);
}

#[test]
fn bytes_that_are_sent_again_and_differ_are_told() {
    let mut packets = opening();
    packets.push(BY_CLIENT.data(0, b"one text"));
    packets.push(BY_CLIENT.data(4, b"tent"));
    let found = look(packets);
    let sent = &found.connections[0].from_client;
    assert_eq!((sent.bytes, sent.repeated, sent.contradicting), (8, 4, 1));
    assert!(gaps(&found)[0].contains("came twice and differ"));
}

#[test]
fn a_canary_in_what_was_sent_again_is_found() {
    let mut packets = opening();
    packets.push(BY_CLIENT.data(0, &[b'x'; 32]));
    packets.push(BY_CLIENT.data(4, CANARY.as_bytes()));
    assert_eq!(look(packets).canaries[0].times, 1);
}

#[test]
fn super_packets_are_read_whole() {
    let mut bytes = vec![b'x'; 65_000];
    bytes.extend_from_slice(CANARY.as_bytes());
    let mut packets = opening();
    packets.push(BY_CLIENT.data(0, &bytes));
    let found = look(packets);
    assert_eq!(found.connections[0].from_client.bytes, bytes.len() as u64);
    assert_eq!((found.cut, found.canaries[0].times), (0, 1));
}

#[test]
fn a_packet_that_was_cut_off_is_told() {
    let mut packets = opening();
    let mut packet = BY_CLIENT.data(0, CANARY.as_bytes());
    packet.data.truncate(packet.data.len() - 4);
    packets.push(packet);
    let found = look(packets);
    assert_eq!((found.cut, found.canaries[0].times), (1, 0));
    assert_eq!(found.connections[0].from_client.missing, 4);
    assert!(gaps(&found)[0].contains("only in part"));
}

#[test]
fn a_connection_that_was_open_before_is_told() {
    let [client, server] = sent("ok-12");
    let packets = vec![
        BY_SERVER.data(0, &server[900..]),
        BY_CLIENT.data(0, &client[2_700..]),
    ];
    let found = look(packets);
    let connection = &found.connections[0];
    assert_eq!(connection.opening, WireOpening::MidStream);
    assert_eq!(connection.server.port(), 13306);
    assert_eq!(connection.from_client.speaks, WireSpeech::NotVisible);
    assert!(!connection.is_whole() && gaps(&found).is_empty());
}

#[test]
fn the_same_ports_again_are_another_connection() {
    let mut packets = opening();
    packets.push(BY_CLIENT.fin(0));
    packets.push(BY_SERVER.fin(0));
    let again = Sender {
        number: 77_000_000,
        ..BY_CLIENT
    };
    packets.push(again.syn());
    packets.push(BY_SERVER.rst());
    let found = look(packets);
    let openings: Vec<_> = found.connections.iter().map(|c| c.opening).collect();
    assert_eq!(openings, [WireOpening::Established, WireOpening::Refused]);
}

#[test]
fn a_resumed_session_shows_no_certificates() {
    // A server's hello, then already the change of cipher: what was asked for before is not to be seen.
    let [client, server] = sent("server-simple-12");
    let hello = 5 + usize::from(u16::from_be_bytes([server[3], server[4]]));
    let only_hello = 5 + 4 + usize::from(u16::from_be_bytes([server[7], server[8]]));
    assert!(only_hello <= hello);
    let mut answer = server[..only_hello].to_vec();
    let length = u16::try_from(only_hello - 5).unwrap();
    answer[3..5].copy_from_slice(&length.to_be_bytes());
    answer.extend_from_slice(&[20, 3, 3, 0, 1, 1]);
    let asked = 5 + usize::from(u16::from_be_bytes([client[3], client[4]]));
    let mut asks = client[..asked].to_vec();
    asks.extend_from_slice(&[20, 3, 3, 0, 1, 1]);
    let mut packets = opening();
    packets.push(BY_CLIENT.data(0, &asks));
    packets.push(BY_SERVER.data(0, &answer));
    let found = look(packets);
    let tls = found.connections[0].tls.as_ref().unwrap();
    assert_eq!(tls.version.as_deref(), Some("TLSv1.2"));
    assert_eq!(tls.certificate_requested, WireSeen::NotVisible);
    assert_eq!(tls.certificate_shown, WireSeen::NotVisible);
}

#[test]
fn mysqls_own_tls_is_told_from_the_meshs() {
    let [_, greeting] = sent("plaintext");
    let greeting = &greeting[..4 + usize::from(greeting[0])];
    let [asks, answers] = sent("ok-12");
    let mut request = vec![32, 0, 0, 1, 0x85, 0xae, 0x3b, 0];
    request.resize(36, 0);
    let mut packets = opening();
    packets.push(BY_SERVER.data(0, greeting));
    packets.push(BY_CLIENT.data(0, &request));
    packets.push(BY_CLIENT.data(36, &asks));
    packets.push(BY_SERVER.data(greeting.len(), &answers));
    let found = look(packets);
    let connection = &found.connections[0];
    for side in WireSide::BOTH {
        let sent = connection.from(side);
        assert_eq!(
            (sent.speaks, sent.strays_at),
            (WireSpeech::MysqlThenTls, None)
        );
    }
    assert!(connection.mysql.unwrap().own_tls);
    let tls = connection.tls.as_ref().unwrap();
    assert_eq!(tls.certificate_requested, WireSeen::Yes);
    assert_eq!(found.tls_servers, []);
}

#[test]
fn plaintext_after_a_handshake_is_told() {
    let [client, server] = sent("ok-12");
    let mut strays = client.clone();
    strays.extend_from_slice(CANARY.as_bytes());
    let mut packets = opening();
    packets.push(BY_CLIENT.data(0, &strays));
    packets.push(BY_SERVER.data(0, &server));
    let sent = &look(packets).connections[0].from_client;
    assert_eq!(
        (sent.speaks, sent.strays_at),
        (WireSpeech::Tls, Some(client.len() as u64))
    );
}

#[test]
fn a_rejection_by_icmp_is_a_refusal() {
    let syn = BY_CLIENT.syn();
    let mut data = Vec::new();
    let quoted = &syn.data[14..];
    etherparse::PacketBuilder::ethernet2([4; 6], [2; 6])
        .ipv4([203, 0, 113, 10], [198, 18, 0, 1], 64)
        .icmpv4(etherparse::Icmpv4Type::DestinationUnreachable(
            etherparse::icmpv4::DestUnreachableHeader::Port,
        ))
        .write(&mut data, quoted)
        .unwrap();
    let word = CapturedPacket {
        length: data.len(),
        data,
        ..syn.clone()
    };
    let opened = |packets| look(packets).connections[0].opening;
    assert_eq!(opened(vec![syn.clone()]), WireOpening::Unanswered);
    assert_eq!(opened(vec![syn, word]), WireOpening::Refused);
}

#[test]
fn more_than_is_kept_of_a_connection_is_told() {
    const MOST: usize = 32 * 1024 * 1024;
    let piece = vec![b'x'; 60_000];
    let count = MOST / piece.len() + 2;
    let mut packets = opening();
    packets.extend((0..count).map(|index| BY_CLIENT.data(index * piece.len(), &piece)));
    // What is not put together is searched all the same.
    packets.push(BY_CLIENT.data(count * piece.len(), CANARY.as_bytes()));
    let found = look(packets);
    let sent = &found.connections[0].from_client;
    assert!(sent.truncated && sent.bytes <= MOST as u64, "{sent:?}");
    assert_eq!(sent.missing, 0);
    assert_eq!(gaps(&found).len(), 1);
    assert!(gaps(&found)[0].contains("more than is put together"));
    assert_eq!(found.canaries[0].times, 1);
}

#[test]
fn more_connections_than_are_told_apart_are_told() {
    const MOST: u32 = 64 * 1024;
    let called = |number: u32| {
        let [_, b, c, d] = number.to_be_bytes();
        let from = ([10, b, c, d], 40_000);
        Sender { from, ..BY_CLIENT }
    };
    let mut packets: Vec<_> = (0..MOST).map(|number| called(number).syn()).collect();
    packets.push(called(MOST).data(0, CANARY.as_bytes()));
    let found = look(packets);
    assert_eq!(
        (found.connections.len(), found.untracked),
        (MOST as usize, 1)
    );
    assert_eq!(found.canaries[0].times, 1);
    assert!(gaps(&found)[0].contains("more connections"));
}
