//! The prober against servers of every kind.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use meshproof_probe::{
    Malformed, Opening, ProbeReport, Request, RequestError, TlsOpening, TlsVersion, connect,
};
use meshproof_record::{Cause, ProbeEnd, ProbeFirst, ProbeTcpEnd, ProbeTls};
use rcgen::ExtendedKeyUsagePurpose as Usage;
use rustls::version::{TLS12, TLS13};
use support::{GREETING, NAME, Pki, Server, Valid, of, request, tls};

fn done(request: &Request) -> ProbeReport {
    let report = connect(request).unwrap();
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(ProbeReport::read(&text).unwrap(), report);
    assert!(!text.contains("PRIVATE KEY"));
    report
}

fn spoken(report: &ProbeReport) -> &ProbeTls {
    report.tls.as_ref().unwrap()
}

fn alert(report: &ProbeReport) -> Option<(u8, bool)> {
    let alert = spoken(report).alert_received.as_ref()?;
    Some((alert.number, alert.after_finish))
}

#[test]
fn a_greeting_in_plaintext_is_seen() {
    let server = Server::start(|mut stream| {
        stream.write_all(GREETING).unwrap();
        let _end = stream.read(&mut [0; 8]);
    });
    let report = done(&request(server.port, Opening::Silent));
    assert!(report.greeted() && report.connected());
    assert_eq!(report.end, ProbeEnd::ClosedByProber);
    let first = report.first_bytes.unwrap();
    assert_eq!((first.count, first.protected), (10, false));
    assert_eq!(first.hex, "060000000a382e342e00");
    server.end();
}

#[test]
fn an_error_in_place_of_a_greeting_is_none() {
    let server = Server::start(|mut stream| {
        stream.write_all(&[3, 0, 0, 0, 0xff, 0x69, 0x04]).unwrap();
    });
    let report = done(&request(server.port, Opening::Silent));
    assert_eq!(
        report.first_bytes.as_ref().unwrap().what,
        ProbeFirst::MysqlError
    );
    assert!(!report.greeted());
    server.end();
}

#[test]
fn a_silent_server_is_held_for_the_time_asked() {
    let server = Server::start(|mut stream| {
        let _end = stream.read(&mut [0; 8]);
    });
    let mut asked = request(server.port, Opening::Silent);
    asked.hold_ms = 60;
    let report = done(&asked);
    assert_eq!(report.end, ProbeEnd::Held);
    assert_eq!(report.first_bytes, None);
    assert!(report.ms >= 60.0, "{}", report.ms);
    server.end();
}

#[test]
fn a_server_that_closes_or_resets_is_told_apart() {
    let closing = Server::start(drop);
    let report = done(&request(closing.port, Opening::Silent));
    assert_eq!(report.end, ProbeEnd::ClosedByPeer);
    closing.end();
    // Closing with unread bytes resets (RFC 1122, 4.2.2.13).
    let resetting = Server::start(|stream| {
        stream.peek(&mut [0; 1]).unwrap();
    });
    let speaking = request(resetting.port, Opening::Speak("SELECT 1;\r\n".to_owned()));
    let report = done(&speaking);
    assert_eq!(report.end, ProbeEnd::ResetByPeer);
    resetting.end();
}

#[test]
fn what_is_spoken_arrives_and_the_answer_is_kept() {
    let server = Server::start(|mut stream| {
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
        stream.write_all(b"HTTP/1.1 400\r\n").unwrap();
    });
    let report = done(&request(server.port, Opening::Speak("hello".to_owned())));
    let first = report.first_bytes.as_ref().unwrap();
    assert_eq!((first.what, first.count), (ProbeFirst::Other, 14));
    assert_eq!(report.end, ProbeEnd::ClosedByPeer);
    server.end();
}

#[test]
fn a_tls_server_answers_plaintext_with_a_record() {
    let pki = Pki::new();
    let server = Server::tls(pki.mutual(&[&TLS13]), GREETING);
    let report = done(&request(
        server.port,
        Opening::Speak("SELECT 1;\r\n".to_owned()),
    ));
    assert_eq!(
        report.first_bytes.as_ref().unwrap().what,
        ProbeFirst::TlsRecord
    );
    server.end();
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let report = done(&request(port, Opening::Silent));
    assert!(report.every_address(|end| end == ProbeTcpEnd::Refused));
    assert_eq!(report.end, ProbeEnd::NotConnected);
    let speaking = done(&tls(port, of(TlsVersion::V13)));
    assert_eq!((speaking.tls, speaking.end), (None, ProbeEnd::NotConnected));
}

#[test]
fn a_name_that_is_none_reaches_nobody() {
    let mut asked = request(1, Opening::Silent);
    asked.host = format!("{}.invalid", "a".repeat(64));
    let report = done(&asked);
    assert!(report.dns.error.is_some() && report.dns.addresses.is_empty());
    assert_eq!((report.tcp.len(), report.end), (0, ProbeEnd::NotConnected));
}

#[test]
fn a_good_client_gets_the_greeting_inside_tls() {
    for (version, supported) in [(TlsVersion::V12, &TLS12), (TlsVersion::V13, &TLS13)] {
        let pki = Pki::new();
        let mut config = pki.mutual(&[supported]);
        config.alpn_protocols = vec![b"istio".to_vec()];
        let server = Server::tls(config, GREETING);
        let report = done(&tls(
            server.port,
            TlsOpening {
                alpn: vec!["istio".to_owned()],
                certificate: Some(pki.client()),
                trust_pem: Some(pki.pem()),
                ..of(version)
            },
        ));
        let seen = spoken(&report);
        assert!(report.greeted() && seen.finished, "{report:#?}");
        assert!(report.first_bytes.as_ref().unwrap().protected);
        assert_eq!(seen.version.as_deref(), Some(version.number()));
        assert_eq!(seen.alpn.as_deref(), Some("istio"));
        assert!(
            seen.cipher.as_ref().unwrap().starts_with("TLS_"),
            "{seen:#?}"
        );
        assert_eq!(
            (seen.asked_for_certificate, seen.certificate_sent),
            (Some(true), true)
        );
        assert_eq!(seen.accepted_authorities, ["CN=an authority"]);
        assert_eq!(seen.chain[0].subject, format!("CN={NAME}"));
        assert_eq!((seen.alert_received.as_ref(), seen.refused), (None, None));
        server.end();
    }
}

#[test]
fn a_server_that_asks_for_nothing_says_so() {
    let pki = Pki::new();
    let server = Server::tls(pki.config(&[&TLS13], &pki.server(), false), GREETING);
    let asked = TlsOpening {
        certificate: Some(pki.client()),
        ..of(TlsVersion::V13)
    };
    let report = done(&tls(server.port, asked));
    let seen = spoken(&report);
    assert_eq!(
        (seen.asked_for_certificate, seen.certificate_sent),
        (Some(false), false)
    );
    assert!(report.greeted());
    server.end();
}

/// What a mutual server says to a client with `certificate`: the alert, and whether it came late.
fn refused(
    version: TlsVersion,
    choose: impl FnOnce(&Pki) -> Option<meshproof_probe::ClientCertificate>,
) -> (u8, bool) {
    let pki = Pki::new();
    let supported = if version == TlsVersion::V12 {
        &TLS12
    } else {
        &TLS13
    };
    let server = Server::tls(pki.mutual(&[supported]), GREETING);
    let report = done(&tls(
        server.port,
        TlsOpening {
            certificate: choose(&pki),
            ..of(version)
        },
    ));
    server.end();
    let seen = spoken(&report);
    assert!(!report.greeted(), "{report:#?}");
    assert_eq!(seen.asked_for_certificate, Some(true));
    assert_eq!(seen.finished, version == TlsVersion::V13, "{report:#?}");
    assert_ne!(report.end, ProbeEnd::Held, "{report:#?}");
    alert(&report).unwrap()
}

#[test]
fn a_refused_client_hears_the_alert_and_in_tls_13_late() {
    let stranger = |_: &Pki| Some(Pki::stranger().client());
    let expired = |pki: &Pki| {
        Some(
            pki.leaf(NAME, Usage::ClientAuth, Valid::UntilLongAgo)
                .given(),
        )
    };
    let wrong_purpose = |pki: &Pki| Some(pki.server().given());
    for version in [TlsVersion::V12, TlsVersion::V13] {
        let late = version == TlsVersion::V13;
        assert_eq!(refused(version, |_| None), (116, late));
        assert_eq!(refused(version, stranger), (48, late));
        assert_eq!(refused(version, expired), (45, late));
        assert_eq!(refused(version, wrong_purpose), (43, late));
    }
}

#[test]
fn a_server_that_is_not_accepted_hears_why() {
    let stranger = Pki::stranger().pem();
    for version in [TlsVersion::V12, TlsVersion::V13] {
        let pki = Pki::new();
        let own = pki.pem();
        let good = pki.server();
        let expired = pki.leaf(NAME, Usage::ServerAuth, Valid::UntilLongAgo);
        let other = pki.leaf("b.example", Usage::ServerAuth, Valid::Now);
        let client = pki.leaf(NAME, Usage::ClientAuth, Valid::Now);
        for (shown, trust, cause, number) in [
            (&good, &stranger, Cause::UnknownCa, 48),
            (&expired, &own, Cause::Expired, 45),
            (&other, &own, Cause::SanMismatch, 42),
            (&client, &own, Cause::WrongPurpose, 43),
        ] {
            let supported = if version == TlsVersion::V12 {
                &TLS12
            } else {
                &TLS13
            };
            let server = Server::tls(pki.config(&[supported], shown, true), GREETING);
            let report = done(&tls(
                server.port,
                TlsOpening {
                    certificate: Some(pki.client()),
                    trust_pem: Some(trust.clone()),
                    ..of(version)
                },
            ));
            let seen = spoken(&report);
            assert_eq!(seen.refused, Some(cause), "{report:#?}");
            assert_eq!(seen.alert_sent.as_ref().unwrap().number, number);
            assert_eq!(
                (seen.alert_received.as_ref(), seen.certificate_sent),
                (None, false)
            );
            assert_eq!(report.end, ProbeEnd::ClosedByProber);
            assert_eq!(seen.chain.len(), 1);
            server.end();
        }
    }
}

#[test]
fn nothing_is_verified_that_was_not_asked_for() {
    let pki = Pki::new();
    let shown = pki.leaf("b.example", Usage::ServerAuth, Valid::UntilLongAgo);
    let server = Server::tls(pki.config(&[&TLS13], &shown, false), GREETING);
    let report = done(&tls(server.port, of(TlsVersion::V13)));
    assert!(report.greeted());
    assert_eq!(spoken(&report).chain[0].subject, "CN=b.example");
    server.end();
}

#[test]
fn tls_without_a_greeting_is_held() {
    let pki = Pki::new();
    let server = Server::tls(pki.mutual(&[&TLS13]), b"");
    let mut asked = tls(
        server.port,
        TlsOpening {
            certificate: Some(pki.client()),
            ..of(TlsVersion::V13)
        },
    );
    asked.hold_ms = 60;
    let report = done(&asked);
    assert_eq!(report.end, ProbeEnd::Held);
    assert!(spoken(&report).finished && report.first_bytes.is_none());
    server.end();
}

#[test]
fn a_server_that_never_answers_the_hello_is_given_up() {
    let server = Server::start(|mut stream| {
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    });
    let mut asked = tls(server.port, of(TlsVersion::V13));
    asked.timeout_ms = 60;
    let report = done(&asked);
    let seen = spoken(&report);
    assert!(!seen.finished && seen.version.is_none());
    assert_eq!(
        (report.end, seen.asked_for_certificate),
        (ProbeEnd::Held, None)
    );
    server.end();
}

#[test]
fn tls_to_a_plaintext_mysql_shows_its_greeting() {
    for version in [TlsVersion::V11, TlsVersion::V12, TlsVersion::V13] {
        let server = Server::start(|mut stream| {
            stream.write_all(&GREETING[..4]).unwrap();
            stream.write_all(&GREETING[4..]).unwrap();
            let _end = stream.read(&mut [0; 1024]);
            let _end = stream.read(&mut [0; 1024]);
        });
        let report = done(&tls(server.port, of(version)));
        let seen = spoken(&report);
        assert!(seen.answered_in_plaintext && !seen.finished, "{report:#?}");
        assert!(report.greeted());
        assert!(!report.first_bytes.as_ref().unwrap().protected);
        server.end();
    }
}

#[test]
fn old_versions_are_refused_by_their_alert() {
    for version in [TlsVersion::V10, TlsVersion::V11] {
        let pki = Pki::new();
        let server = Server::tls(pki.mutual(&[&TLS12, &TLS13]), GREETING);
        let report = done(&tls(server.port, of(version)));
        assert_eq!(alert(&report), Some((70, false)), "{report:#?}");
        assert_eq!(spoken(&report).offered, version.number());
        server.end();
    }
    // The same server takes what is new enough: the alert is about the version.
    let pki = Pki::new();
    let server = Server::tls(pki.mutual(&[&TLS12]), GREETING);
    let report = done(&tls(server.port, of(TlsVersion::V13)));
    assert_eq!(alert(&report).map(|(number, _)| number), Some(70));
    server.end();
}

#[test]
fn malformed_hellos_get_what_the_server_has_for_them() {
    for (kind, expected) in [
        (Malformed::OversizedRecord, Some(50)),
        (Malformed::WrongLength, Some(50)),
        (Malformed::NoCiphers, Some(50)),
        (Malformed::UnknownRecordType, Some(50)),
        (Malformed::Ssl2, Some(50)),
        (Malformed::Truncated, None),
    ] {
        let pki = Pki::new();
        let server = Server::tls(pki.mutual(&[&TLS12, &TLS13]), GREETING);
        let opening = TlsOpening {
            malformed: Some(kind),
            ..of(TlsVersion::V12)
        };
        let mut asked = tls(server.port, opening);
        if kind == Malformed::Truncated {
            asked.timeout_ms = 60;
        }
        let report = done(&asked);
        let number = alert(&report).map(|(number, _)| number);
        assert_eq!(number, expected, "{kind:?}: {report:#?}");
        assert_eq!(spoken(&report).offered, kind.name());
        server.end();
    }
}

#[test]
fn a_key_that_cannot_be_read_stops_it_before_it_starts() {
    let pki = Pki::new();
    let mut broken = pki.client();
    broken.key_pem = broken.key_pem.replace("PRIVATE KEY", "SOMETHING");
    let asked = tls(
        1,
        TlsOpening {
            certificate: Some(broken),
            ..of(TlsVersion::V13)
        },
    );
    let error = connect(&asked).unwrap_err();
    assert!(
        matches!(error, RequestError::Pem { what: "keyPem", .. }),
        "{error}"
    );
    let untrusting = TlsOpening {
        trust_pem: Some("nothing".to_owned()),
        ..of(TlsVersion::V13)
    };
    let error = connect(&tls(1, untrusting)).unwrap_err();
    assert!(
        matches!(
            error,
            RequestError::Pem {
                what: "trustPem",
                ..
            }
        ),
        "{error}"
    );
}
