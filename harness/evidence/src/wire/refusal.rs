//! Who refused whom, by an alert in clear.

use meshproof_record::{Cause, Hop, WireAlert, WireConnection, WireSeen, WireSide, WireSpeech};

use crate::classify::{Finding, alert_causes, name};

/// What the first fatal alert in clear tells, sent by whoever is at that end; `None` where there is none,
/// or none that names a cause, or where it is not known who sent it. Under TLS 1.3 most are encrypted, and
/// their absence says nothing.
pub fn refusal(
    connection: &WireConnection,
    client: Option<Hop>,
    server: Option<Hop>,
) -> Option<Finding> {
    let tls = connection.tls.as_ref()?;
    let alert = tls.alerts.iter().find(|alert| alert.fatal)?;
    let hop = match alert.from {
        WireSide::Client => client,
        WireSide::Server => server,
    }?;
    let (cause, also) = if answered_in_clear(connection, alert) {
        (Cause::TlsToPlaintext, [].as_slice())
    } else {
        alert_causes(alert.number)?
    };
    if cause == Cause::NoClientCertificate && !lacked(connection, alert) {
        return None;
    }
    let why = format!(
        "on the link, {} sent alert {} ({}) from {}",
        name(hop),
        alert.number,
        alert.name,
        match alert.from {
            WireSide::Client => connection.client,
            WireSide::Server => connection.server,
        }
    );
    Some(Finding::reason(hop, cause, why).or(also))
}

/// A handshake fails for many reasons. It is about a certificate where one was asked for and none came.
fn lacked(connection: &WireConnection, alert: &WireAlert) -> bool {
    let shown = connection.tls.as_ref().is_some_and(|tls| {
        tls.certificate_requested == WireSeen::Yes && tls.certificate_shown == WireSeen::No
    });
    alert.from == WireSide::Server && shown
}

/// Whatever a client of TLS says to an answer that is no TLS (BoringSSL says `protocol_version`), it is
/// about that.
fn answered_in_clear(connection: &WireConnection, alert: &WireAlert) -> bool {
    let answer = connection.from_server.speaks;
    alert.from == WireSide::Client && matches!(answer, WireSpeech::Mysql | WireSpeech::Other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Capture, examine};

    fn told(recording: &str) -> Option<(Hop, Vec<Cause>)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/wire");
        let bytes = std::fs::read(format!("{folder}/{recording}.pcap")).unwrap();
        let found = examine(Capture::read(&bytes).unwrap().iter(), &[]);
        let finding = refusal(&found.connections[0], Some(Hop::Egress), Some(Hop::Ingress))?;
        Some((finding.hop, finding.causes().collect()))
    }

    #[test]
    fn alerts_in_clear_name_hop_and_cause() {
        for (recording, causes) in [
            ("client-cert-none-12", vec![Cause::NoClientCertificate]),
            (
                "client-cert-expired-12",
                vec![Cause::Expired, Cause::NotYetValid],
            ),
            ("unmeshed-tls11", vec![Cause::ProtocolVersion]),
        ] {
            assert_eq!(told(recording), Some((Hop::Ingress, causes)), "{recording}");
        }
    }

    #[test]
    fn what_is_encrypted_or_absent_tells_nothing() {
        for recording in [
            "ok-12",
            "ok-13",
            "client-cert-none-13",
            "server-cert-unknown-ca-13",
            "sni-foreign",
            "tls-to-plain",
            "plaintext",
            "unmeshed-plain-silent",
            "unmeshed-3306",
        ] {
            assert_eq!(told(recording), None, "{recording}");
        }
    }

    fn with(requested: WireSeen, shown: WireSeen, from: WireSide, number: u8) -> WireConnection {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/wire");
        let bytes = std::fs::read(format!("{folder}/client-cert-none-12.pcap")).unwrap();
        let found = examine(Capture::read(&bytes).unwrap().iter(), &[]);
        let mut connection = found.connections[0].clone();
        let tls = connection.tls.as_mut().unwrap();
        (tls.certificate_requested, tls.certificate_shown) = (requested, shown);
        (tls.alerts[0].from, tls.alerts[0].number) = (from, number);
        connection
    }

    #[test]
    fn a_failed_handshake_is_about_a_certificate_only_where_one_is_lacking() {
        use WireSeen::{No, NotVisible, Yes};
        use WireSide::{Client, Server};
        for (requested, shown, from, named) in [
            (Yes, No, Server, true),
            (Yes, Yes, Server, false),
            (No, No, Server, false),
            (NotVisible, NotVisible, Server, false),
            (Yes, No, Client, false),
        ] {
            let connection = with(requested, shown, from, 40);
            let found = refusal(&connection, Some(Hop::Egress), Some(Hop::Ingress));
            assert_eq!(found.is_some(), named, "{requested:?} {shown:?} {from:?}");
        }
    }

    #[test]
    fn an_alert_to_an_answer_in_clear_is_about_that() {
        use WireSeen::NotVisible;
        for (speech, from, cause) in [
            (WireSpeech::Mysql, WireSide::Client, Cause::TlsToPlaintext),
            (WireSpeech::Other, WireSide::Client, Cause::TlsToPlaintext),
            (WireSpeech::Tls, WireSide::Client, Cause::ProtocolVersion),
            (WireSpeech::Mysql, WireSide::Server, Cause::ProtocolVersion),
        ] {
            let mut connection = with(NotVisible, NotVisible, from, 70);
            connection.from_server.speaks = speech;
            let found = refusal(&connection, Some(Hop::Egress), Some(Hop::Ingress));
            let found: Vec<Cause> = found.unwrap().causes().collect();
            assert_eq!(found, [cause], "{speech:?} {from:?}");
        }
    }

    #[test]
    fn the_sender_is_who_refuses() {
        use WireSeen::Yes;
        let connection = with(Yes, Yes, WireSide::Client, 48);
        let found = refusal(&connection, Some(Hop::Egress), Some(Hop::Ingress)).unwrap();
        assert_eq!((found.hop, found.cause), (Hop::Egress, Cause::UnknownCa));
        assert_eq!(refusal(&connection, None, Some(Hop::Ingress)), None);
        let mut warning = connection;
        warning.tls.as_mut().unwrap().alerts[0].fatal = false;
        assert_eq!(refusal(&warning, Some(Hop::Egress), None), None);
    }
}
