//! No bytes at all make it panic, and none are taken for something that they are not.

use meshproof_evidence::wire::{Capture, CapturedPacket, Link, examine};
use meshproof_record::WireSpeech;
use proptest::prelude::*;

use crate::support::{BY_CLIENT, BY_SERVER, canaries, capture, look};

fn link() -> impl Strategy<Value = Link> {
    prop::sample::select(vec![
        Link::Ethernet,
        Link::Ip,
        Link::Cooked,
        Link::CookedTwo,
    ])
}

proptest! {
    #[test]
    fn any_bytes_as_packets(link in link(), packets in prop::collection::vec(any::<Vec<u8>>(), 0..20)) {
        let packets = packets.into_iter().map(|data| CapturedPacket { link, at: 0, length: data.len(), data });
        let capture = Capture { packets: packets.collect(), dropped: 0 };
        let found = examine(capture.iter(), &canaries());
        prop_assert_eq!(found.packets, capture.packets.len() as u64);
    }

    #[test]
    fn any_bytes_as_files(bytes in any::<Vec<u8>>()) {
        let _ = Capture::read(&bytes);
        for magic in [&[0xd4, 0xc3, 0xb2, 0xa1][..], &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a]] {
            let _ = Capture::read(&[magic, &bytes].concat());
        }
    }

    #[test]
    fn spoilt_recordings(at in any::<prop::sample::Index>(), value in any::<u8>(), packet in 0..24usize) {
        let mut spoilt = capture("ok-13");
        let data = &mut spoilt.packets[packet].data;
        let at = at.index(data.len());
        data[at] = value;
        let found = examine(spoilt.iter(), &canaries());
        prop_assert_eq!(found.canaries[0].times, 0);
    }

    #[test]
    fn any_bytes_as_speech(client in any::<Vec<u8>>(), server in any::<Vec<u8>>()) {
        let packets = vec![
            BY_CLIENT.syn(),
            BY_SERVER.syn_ack(BY_CLIENT),
            BY_CLIENT.data(0, &client),
            BY_SERVER.data(0, &server),
        ];
        let found = look(packets);
        let sent = &found.connections[0].from_client;
        prop_assert_eq!(sent.bytes, client.len() as u64);
        prop_assert_eq!(sent.speaks == WireSpeech::Nothing, client.is_empty());
    }

    #[test]
    fn any_bytes_behind_a_records_header(kind in 20..25u8, body in any::<Vec<u8>>(), rest in any::<Vec<u8>>()) {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        let bytes = [&[kind, 3, 3, length[0], length[1]], &body[..], &rest[..]].concat();
        for (client, server) in [(&bytes[..], &rest[..]), (&rest[..], &bytes[..])] {
            look(vec![BY_CLIENT.syn(), BY_CLIENT.data(0, client), BY_SERVER.syn_ack(BY_CLIENT), BY_SERVER.data(0, server)]);
        }
    }
}

#[test]
fn the_other_links_are_read_alike() {
    let plain = capture("plaintext");
    let straight = examine(plain.iter(), &canaries());
    for (link, header) in [
        (Link::Ip, vec![]),
        (Link::Cooked, [&[0; 14][..], &[8, 0]].concat()),
        (Link::CookedTwo, [&[8, 0][..], &[0; 18]].concat()),
    ] {
        let mut other = plain.clone();
        for packet in &mut other.packets {
            packet.data = [&header[..], &packet.data[14..]].concat();
            packet.length = packet.data.len();
            packet.link = link;
        }
        assert_eq!(examine(other.iter(), &canaries()), straight, "{link:?}");
    }
}

#[test]
fn a_hello_of_ssl_2_and_a_request_are_something_else() {
    for client in [
        &b"\x80\x2e\x01\x03\x01\0\x15"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\x05\x02ab",
    ] {
        let found = look(vec![
            BY_CLIENT.syn(),
            BY_SERVER.syn_ack(BY_CLIENT),
            BY_CLIENT.data(0, client),
        ]);
        assert_eq!(
            found.connections[0].from_client.speaks,
            WireSpeech::Other,
            "{client:?}"
        );
        assert_eq!(found.connections[0].tls, None);
    }
}

#[test]
fn too_few_bytes_are_not_guessed_at() {
    let found = look(vec![
        BY_CLIENT.syn(),
        BY_SERVER.syn_ack(BY_CLIENT),
        BY_CLIENT.data(0, b"\x16\x03"),
    ]);
    assert_eq!(
        found.connections[0].from_client.speaks,
        WireSpeech::NotVisible
    );
}
