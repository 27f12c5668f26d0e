//! TLS as far as it is in clear: records, and the handshake's messages before encryption (RFC 5246 and
//! RFC 8446).

mod hello;
mod names;
mod records;

use meshproof_record::{WireAlert, WireSeen, WireSide, WireTls};

use hello::Message;
pub(super) use records::Records;
use records::{ALERT, HANDSHAKE, MAJOR};

/// Kinds of the record that a client begins with, and that a server answers with.
pub(super) const HELLO: &[u8] = &[HANDSHAKE];
pub(super) const ANSWER: &[u8] = &[HANDSHAKE, ALERT];

const TLS13: u16 = 0x0304;

/// Whether bytes begin as a record of one of these kinds; `None` where they are too few to tell.
pub(super) fn begins(bytes: &[u8], kinds: &[u8]) -> Option<bool> {
    let fits = |at: usize, good: &dyn Fn(u8) -> bool| bytes.get(at).map(|byte| good(*byte));
    let checks = [
        fits(0, &|kind| kinds.contains(&kind)),
        fits(1, &|major| major == MAJOR),
        fits(2, &|minor| minor <= 4),
    ];
    if checks.contains(&Some(false)) {
        return Some(false);
    }
    if checks.contains(&None) {
        return None;
    }
    // A client says hello and nothing else.
    match bytes.get(5) {
        Some(kind) if kinds == HELLO => Some(*kind == hello::CLIENT_HELLO),
        Some(_) => Some(true),
        None => None,
    }
}

/// What both ends' messages say together.
pub(super) fn handshake(client: &Records, server: &Records) -> WireTls {
    let mut tls = WireTls::default();
    let asked = client.messages.iter().find_map(|message| match message {
        Message::ClientHello(hello) => Some(hello),
        _ => None,
    });
    let chosen = server.messages.iter().find_map(|message| match message {
        Message::ServerHello { version, cipher } => Some((*version, *cipher)),
        _ => None,
    });
    if let Some(hello) = asked {
        tls.offered = hello.versions.iter().map(|v| names::version(*v)).collect();
        tls.sni.clone_from(&hello.sni);
        tls.alpn.clone_from(&hello.alpn);
    }
    if let Some((version, cipher)) = chosen {
        tls.version = Some(names::version(version));
        tls.cipher = Some(names::cipher(cipher));
    }
    // From 1.3 on, everything behind the server's hello is encrypted.
    if chosen.is_some_and(|(version, _)| version < TLS13) {
        tls.certificate_requested = requested(server);
        tls.certificate_shown = shown(client);
    }
    for (from, records) in [(WireSide::Client, client), (WireSide::Server, server)] {
        tls.alerts
            .extend(records.alerts.iter().map(|(level, number)| WireAlert {
                from,
                fatal: *level == 2,
                number: *number,
                name: names::alert(*number),
            }));
        tls.hidden_alerts += records.hidden_alerts;
    }
    tls
}

fn requested(server: &Records) -> WireSeen {
    let has = |wanted: fn(&Message) -> bool| server.messages.iter().any(wanted);
    if has(|message| matches!(message, Message::CertificateRequest)) {
        WireSeen::Yes
    } else if has(|message| matches!(message, Message::ServerHelloDone)) {
        WireSeen::No
    } else {
        WireSeen::NotVisible
    }
}

fn shown(client: &Records) -> WireSeen {
    for message in &client.messages {
        match message {
            Message::Certificate { empty: true } | Message::ClientKeyExchange => {
                return WireSeen::No;
            }
            Message::Certificate { empty: false } => return WireSeen::Yes,
            _ => {}
        }
    }
    WireSeen::NotVisible
}
