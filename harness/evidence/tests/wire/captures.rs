//! Every recording, one by one.

use std::collections::BTreeSet;

use meshproof_evidence::wire::gaps;
use meshproof_record::{WireOpening, WirePlace, WireSeen, WireSide, WireSpeech};

use crate::support::{ABSENT, CANARY, canaries, capture, connection, examined, folder};

/// What each recording must show: the version chosen, whether the server asked for a certificate and
/// whether one was shown, and the server's alert in clear.
type Row = (
    &'static str,
    Option<&'static str>,
    WireSeen,
    WireSeen,
    Option<u8>,
);

const TLS: [Row; 11] = {
    use WireSeen::{No, NotVisible, Yes};
    const TWO: Option<&str> = Some("TLSv1.2");
    const THREE: Option<&str> = Some("TLSv1.3");
    [
        ("ok-13", THREE, NotVisible, NotVisible, None),
        ("ok-12", TWO, Yes, Yes, None),
        ("client-cert-none-13", THREE, NotVisible, NotVisible, None),
        ("client-cert-none-12", TWO, Yes, No, Some(40)),
        ("client-cert-expired-12", TWO, Yes, Yes, Some(45)),
        (
            "server-cert-unknown-ca-13",
            THREE,
            NotVisible,
            NotVisible,
            None,
        ),
        ("server-simple-13", THREE, NotVisible, NotVisible, None),
        ("server-simple-12", TWO, No, No, None),
        ("sni-foreign", None, NotVisible, NotVisible, None),
        ("tls-to-plain", None, NotVisible, NotVisible, None),
        ("unmeshed-tls11", None, NotVisible, NotVisible, Some(70)),
    ]
};

#[test]
fn handshakes_say_what_is_in_clear_and_no_more() {
    for (name, version, requested, shown, alert) in &TLS {
        let connection = connection(name);
        let tls = connection
            .tls
            .unwrap_or_else(|| panic!("{name} has no handshake"));
        assert_eq!(connection.from_client.speaks, WireSpeech::Tls, "{name}");
        assert_eq!(tls.version.as_deref(), *version, "{name}");
        assert_eq!(tls.certificate_requested, *requested, "{name}");
        assert_eq!(tls.certificate_shown, *shown, "{name}");
        let alerts: Vec<_> = tls
            .alerts
            .iter()
            .map(|a| (a.from, a.fatal, a.number))
            .collect();
        let expected: Vec<_> = alert
            .iter()
            .map(|number| (WireSide::Server, true, *number))
            .collect();
        assert_eq!(alerts, expected, "{name}");
        let name_asked_for = if *name == "sni-foreign" {
            "other.example.com"
        } else {
            "203.0.113.10.nip.io"
        };
        assert_eq!(tls.sni.as_deref(), Some(name_asked_for), "{name}");
        assert_eq!(tls.alpn, Vec::<String>::new(), "{name}");
        let offered: &[&str] = if *name == "unmeshed-tls11" {
            &["TLSv1.1"]
        } else {
            &["TLSv1.3", "TLSv1.2"]
        };
        assert_eq!(tls.offered, offered, "{name}");
    }
}

#[test]
fn an_encrypted_alert_shows_under_1_2_and_not_under_1_3() {
    let hidden = |name| connection(name).tls.unwrap().hidden_alerts;
    assert_eq!((hidden("ok-12"), hidden("ok-13")), (2, 0));
    assert_eq!(hidden("client-cert-none-13"), 0);
}

#[test]
fn the_canary_is_found_in_plaintext_and_nowhere_else() {
    let files = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names: BTreeSet<String> = files
        .filter_map(|file| Some(file.to_str()?.strip_suffix(".pcap")?.to_owned()))
        .collect();
    assert_eq!(names.len(), 14);
    for name in names {
        let found = examined(&capture(&name));
        assert_eq!(gaps(&found), Vec::<String>::new(), "{name}");
        let [canary, absent] = found.canaries.try_into().unwrap();
        assert_eq!(
            (canary.text.as_str(), absent.text.as_str()),
            (CANARY, ABSENT)
        );
        assert_eq!((absent.times, absent.places.len()), (0, 0), "{name}");
        if name != "plaintext" {
            assert_eq!((canary.times, canary.places.len()), (0, 0), "{name}");
            continue;
        }
        // The statement that writes it and the row that brings it back.
        let place = |from, at| WirePlace::Stream {
            connection: 0,
            from,
            at,
        };
        let places = [place(WireSide::Client, 281), place(WireSide::Server, 226)];
        assert_eq!((canary.times, canary.places.as_slice()), (2, &places[..]));
    }
}

#[test]
fn mysql_in_clear_is_recognised() {
    let connection = connection("plaintext");
    for side in WireSide::BOTH {
        assert_eq!(connection.from(side).speaks, WireSpeech::Mysql);
    }
    let mysql = connection.mysql.unwrap();
    assert!(mysql.greeting && !mysql.own_tls);
    assert_eq!((connection.tls, mysql.error), (None, None));
}

#[test]
fn packets_and_bytes_are_those_of_the_recording() {
    let connection = connection("ok-12");
    let sent = |side| {
        let sent = connection.from(side);
        (sent.packets, sent.bytes, sent.repeated, sent.strays_at)
    };
    assert_eq!(sent(WireSide::Client), (14, 3282, 0, None));
    assert_eq!(sent(WireSide::Server), (12, 1770, 0, None));
    assert!(connection.is_over() && connection.is_whole());
    assert_eq!(connection.ended_by(), Some(WireSide::Client));
    let tls = connection.tls.unwrap();
    assert_eq!(
        tls.cipher.as_deref(),
        Some("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
    );
}

#[test]
fn who_ended_a_connection_and_how() {
    use WireSide::{Client, Server};
    for (name, by, fin, rst) in [
        ("ok-13", Client, true, false),
        ("client-cert-none-13", Server, true, true),
        ("client-cert-none-12", Server, true, true),
        ("server-cert-unknown-ca-13", Client, true, false),
        ("sni-foreign", Server, false, true),
        ("tls-to-plain", Server, false, true),
        ("unmeshed-plain-silent", Client, true, false),
        ("unmeshed-tls11", Server, true, false),
    ] {
        let connection = connection(name);
        assert_eq!(connection.ended_by(), Some(by), "{name}");
        let sent = connection.from(by);
        assert_eq!(
            (sent.fin_ms.is_some(), sent.rst_ms.is_some()),
            (fin, rst),
            "{name}"
        );
    }
}

#[test]
fn a_call_that_nobody_answers() {
    let connection = connection("unmeshed-3306");
    assert_eq!(
        (connection.opening, connection.syns),
        (WireOpening::Unanswered, 6)
    );
    assert_eq!(connection.from_server.packets, 0);
    assert_eq!(
        (connection.answered_ms, connection.ended_by()),
        (None, None)
    );
    assert!(connection.lasted_ms > 5_000.0);
}

#[test]
fn silence_on_both_sides() {
    let connection = connection("unmeshed-plain-silent");
    assert_eq!(connection.opening, WireOpening::Established);
    for side in WireSide::BOTH {
        assert_eq!(connection.from(side).speaks, WireSpeech::Nothing);
    }
    assert!(connection.from_client.fin_ms.unwrap() > 6_000.0);
}

#[test]
fn those_that_answer_a_hello_are_known() {
    let servers = |name: &str| examined(&capture(name)).tls_servers.len();
    for name in ["ok-13", "client-cert-none-12", "unmeshed-tls11"] {
        assert_eq!(servers(name), 1, "{name}");
    }
    for name in ["sni-foreign", "tls-to-plain", "plaintext", "unmeshed-3306"] {
        assert_eq!(servers(name), 0, "{name}");
    }
}

#[test]
fn the_record_has_nobodys_payload() {
    let found = examined(&capture("plaintext"));
    let written = serde_json::to_string(&found).unwrap();
    assert_eq!(
        serde_json::from_str::<meshproof_record::WireEvidence>(&written).unwrap(),
        found
    );
    let without = written.replace(&canaries()[0], "");
    for word in ["Canary", "SELECT", "INSERT", "MariaDB", "root"] {
        assert!(!without.contains(word), "{word}: {written}");
    }
}
