//! `ClientHello`s that no library makes any more: of TLS 1.0 and 1.1 (RFC 2246, RFC 4346), and
//! malformed ones. Pure: bytes out.

use crate::request::{Malformed, TlsOpening, TlsVersion};

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// The version of the first record: whatever is offered, servers expect 1.0 here (RFC 5246, E.1).
const RECORD_VERSION: [u8; 2] = [3, 1];

/// ECDHE and RSA with AES in CBC: what servers of those days have.
const CBC: [u16; 6] = [0xc00a, 0xc009, 0xc014, 0xc013, 0x0035, 0x002f];
/// ECDHE with AES in GCM, for 1.2.
const GCM: [u16; 4] = [0xc02b, 0xc02f, 0xc02c, 0xc030];
/// x25519 and P-256.
const GROUPS: [u16; 2] = [0x001d, 0x0017];
/// ECDSA and RSA with SHA-256.
const SIGNATURES: [u16; 3] = [0x0403, 0x0804, 0x0401];

/// Extensions (RFC 6066, RFC 8422, RFC 5246, RFC 7301).
const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const PROTOCOLS: u16 = 16;

/// The bytes to send for `tls`, which is of a version before 1.2 or malformed.
pub(crate) fn encode(tls: &TlsOpening, random: &[u8; 32]) -> Vec<u8> {
    let version = tls.max.min(TlsVersion::V12);
    match tls.malformed {
        None => record(
            HANDSHAKE,
            &message(&body(tls, version, random, &suites(version), 0)),
        ),
        Some(kind) => malformed(kind, tls, version, random),
    }
}

fn malformed(kind: Malformed, tls: &TlsOpening, version: TlsVersion, random: &[u8; 32]) -> Vec<u8> {
    let sound = || message(&body(tls, version, random, &suites(version), 0));
    match kind {
        Malformed::Truncated => {
            let mut whole = record(HANDSHAKE, &sound());
            whole.truncate(whole.len() / 2);
            whole
        }
        Malformed::OversizedRecord => {
            const TOO_LONG: usize = 0x5000;
            let mut message = sound();
            message.resize(TOO_LONG, 0);
            record(HANDSHAKE, &message)
        }
        Malformed::WrongLength => {
            let body = body(tls, version, random, &suites(version), 64);
            record(HANDSHAKE, &message(&body))
        }
        Malformed::NoCiphers => record(HANDSHAKE, &message(&body(tls, version, random, &[], 0))),
        Malformed::UnknownRecordType => record(99, &sound()),
        Malformed::Ssl2 => ssl2(random),
    }
}

fn suites(version: TlsVersion) -> Vec<u16> {
    let gcm: &[u16] = if version == TlsVersion::V12 {
        &GCM
    } else {
        &[]
    };
    gcm.iter().chain(&CBC).copied().collect()
}

/// The hello itself. `beyond` is added to the length of its extensions, and to nothing else.
fn body(
    tls: &TlsOpening,
    version: TlsVersion,
    random: &[u8; 32],
    suites: &[u16],
    beyond: u16,
) -> Vec<u8> {
    let mut out = vec![3, minor(version)];
    out.extend_from_slice(random);
    out.push(0); // no session to resume
    out.extend(with_length(&words(suites)));
    out.extend([1, 0]); // no compression
    let extensions = extensions(tls);
    out.extend((length(&extensions) + beyond).to_be_bytes());
    out.extend(extensions);
    out
}

const fn minor(version: TlsVersion) -> u8 {
    match version {
        TlsVersion::V10 => 1,
        TlsVersion::V11 => 2,
        TlsVersion::V12 | TlsVersion::V13 => 3,
    }
}

fn extensions(tls: &TlsOpening) -> Vec<u8> {
    let mut all = Vec::new();
    if let Some(name) = &tls.sni {
        let mut host = vec![0]; // a host name
        host.extend(with_length(name.as_bytes()));
        all.extend(extension(SERVER_NAME, &with_length(&host)));
    }
    all.extend(extension(SUPPORTED_GROUPS, &with_length(&words(&GROUPS))));
    all.extend(extension(POINT_FORMATS, &[1, 0]));
    // Clients of old do not send this, and servers ignore it where they take an old version (RFC 5246,
    // 7.4.1.4.1). Some look for it before they look at the version. With it the version is all that is
    // wrong with the hello, and their alert says so.
    let signatures = with_length(&words(&SIGNATURES));
    all.extend(extension(SIGNATURE_ALGORITHMS, &signatures));
    if !tls.alpn.is_empty() {
        let names = tls.alpn.iter().flat_map(|name| {
            let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
            std::iter::once(length).chain(name.bytes())
        });
        let names: Vec<u8> = names.collect();
        all.extend(extension(PROTOCOLS, &with_length(&names)));
    }
    all
}

fn extension(number: u16, content: &[u8]) -> Vec<u8> {
    let mut out = number.to_be_bytes().to_vec();
    out.extend(with_length(content));
    out
}

fn words(values: &[u16]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect()
}

/// What is longer than a length field says is what a request of such names asks for.
fn length(content: &[u8]) -> u16 {
    u16::try_from(content.len()).unwrap_or(u16::MAX)
}

fn with_length(content: &[u8]) -> Vec<u8> {
    let mut out = length(content).to_be_bytes().to_vec();
    out.extend_from_slice(content);
    out
}

fn message(body: &[u8]) -> Vec<u8> {
    let [high, low] = length(body).to_be_bytes();
    let mut out = vec![CLIENT_HELLO, 0, high, low];
    out.extend_from_slice(body);
    out
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, RECORD_VERSION[0], RECORD_VERSION[1]];
    out.extend(with_length(content));
    out
}

/// As RFC 6101, appendix E has it, for version 2 and nothing later.
fn ssl2(random: &[u8; 32]) -> Vec<u8> {
    const CIPHERS: [[u8; 3]; 2] = [[0x07, 0x00, 0xc0], [0x01, 0x00, 0x80]];
    const CHALLENGE: usize = 16;
    let mut hello = vec![CLIENT_HELLO, 0, 2];
    hello.extend([0, 6, 0, 0, 0, 16]); // two ciphers, no session, a challenge
    hello.extend(CIPHERS.concat());
    hello.extend_from_slice(&random[..CHALLENGE]);
    let [high, low] = length(&hello).to_be_bytes();
    let mut out = vec![high | 0x80, low];
    out.extend(hello);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: [u8; 32] = [7; 32];

    fn of(max: TlsVersion, malformed: Option<Malformed>) -> TlsOpening {
        TlsOpening {
            sni: Some("a.example".to_owned()),
            alpn: vec!["istio".to_owned()],
            min: max,
            max,
            malformed,
            ..TlsOpening::default()
        }
    }

    /// The lengths of record, message and extensions, and what they should be.
    fn lengths(bytes: &[u8]) -> [(usize, usize); 3] {
        let two = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let suites = 5 + 4 + 2 + 32 + 1;
        let extensions = suites + 2 + two(suites) + 2;
        [
            (two(3), bytes.len() - 5),
            (two(7), bytes.len() - 9),
            (two(extensions), bytes.len() - extensions - 2),
        ]
    }

    #[test]
    fn a_sound_hello_has_its_version_and_its_lengths() {
        for (version, minor) in [(TlsVersion::V10, 1), (TlsVersion::V11, 2)] {
            let bytes = encode(&of(version, None), &RANDOM);
            assert_eq!(bytes[..3], [22, 3, 1]);
            assert_eq!(bytes[9..11], [3, minor]);
            for (said, is) in lengths(&bytes) {
                assert_eq!(said, is);
            }
            let has = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
            assert!(has(b"\x00\x09a.example") && has(b"\x05istio"));
        }
        let mut bare = of(TlsVersion::V10, None);
        (bare.sni, bare.alpn) = (None, Vec::new());
        let bytes = encode(&bare, &RANDOM);
        for (said, is) in lengths(&bytes) {
            assert_eq!(said, is);
        }
    }

    #[test]
    fn each_malformed_one_is_wrong_in_its_own_way() {
        let made = |kind| encode(&of(TlsVersion::V13, Some(kind)), &RANDOM);
        let cut = made(Malformed::Truncated);
        assert!(usize::from(u16::from_be_bytes([cut[3], cut[4]])) > cut.len());
        let long = made(Malformed::OversizedRecord);
        assert_eq!((long[3], long.len()), (0x50, 0x5000 + 5));
        let [record, message, extensions] = lengths(&made(Malformed::WrongLength));
        assert_eq!((record.0, message.0), (record.1, message.1));
        assert_eq!(extensions.0, extensions.1 + 64);
        assert_eq!(made(Malformed::NoCiphers)[44..46], [0, 0]);
        assert_eq!(made(Malformed::UnknownRecordType)[0], 99);
        assert_eq!(made(Malformed::Ssl2)[..5], [0x80, 31, 1, 0, 2]);
    }
}
