//! MySQL's first packets in clear: three bytes of length, one number, then what is told apart here.

use meshproof_record::WireMySql;

/// Length of a packet's header.
const HEADER: usize = 4;
/// The protocol that every server since MySQL 3.21 greets with, and the mark of an error.
const PROTOCOL: u8 = 10;
const ERROR: u8 = 0xff;
/// A client's request for TLS has the fixed part of its answer alone, with this flag.
const REQUEST: usize = 32;
const CLIENT_SSL: u8 = 0x08;
/// As much as has to be looked at.
pub(super) const ENOUGH: usize = 64;

/// The number of a packet and the length of what follows its header.
fn header(bytes: &[u8]) -> Option<(usize, u8)> {
    let [a, b, c, number, ..] = *bytes else {
        return None;
    };
    Some((
        usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16,
        number,
    ))
}

/// A server's beginning, if it is one, and the length of its first packet.
pub(super) fn server(beginning: &[u8]) -> Option<(WireMySql, usize)> {
    let (length, 0) = header(beginning)? else {
        return None;
    };
    let body = beginning.get(HEADER..)?;
    let mut found = WireMySql::default();
    match *body.first()? {
        // The version follows: printable, and ended by a zero byte.
        PROTOCOL if (20..1024).contains(&length) => {
            let version: Vec<u8> = body[1..].iter().copied().take_while(|b| *b != 0).collect();
            if version.is_empty() || !version.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
                return None;
            }
            found.greeting = true;
        }
        // MySQL's own errors begin at 1000.
        ERROR if (3..1024).contains(&length) => {
            let number = u16::from_le_bytes([*body.get(1)?, *body.get(2)?]);
            (1000..20_000).contains(&number).then_some(())?;
            found.error = Some(number);
        }
        _ => return None,
    }
    Some((found, HEADER + length))
}

/// How a client answers a greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It goes on in clear.
    InClear,
    /// It asks for TLS, which begins behind this many bytes.
    Tls(usize),
}

/// A client's beginning, if it answers a greeting.
pub(super) fn client(beginning: &[u8]) -> Option<Answer> {
    let (length, 1) = header(beginning)? else {
        return None;
    };
    let asks = length == REQUEST && beginning.get(HEADER + 1)? & CLIENT_SSL != 0;
    Some(if asks {
        Answer::Tls(HEADER + length)
    } else {
        Answer::InClear
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_and_errors_are_told_from_other_bytes() {
        let greeting = b"\x4a\0\0\0\x0a11.8.6-MariaDB\0rest of it";
        let (found, length) = server(greeting).unwrap();
        assert!(found.greeting);
        assert_eq!(length, 0x4e);
        let (found, _) = server(b"\x30\0\0\0\xff\x69\x04Host is blocked").unwrap();
        assert_eq!((found.greeting, found.error), (false, Some(1129)));
        let others: [&[u8]; 5] = [
            b"",
            b"\x4a\0\0\x01\x0a11.8.6-MariaDB\0",
            b"\x4a\0\0\0\x0a\x01\x02\0",
            b"\x16\x03\x01\0\x05",
            b"HTTP/1.1 400",
        ];
        for other in others {
            assert_eq!(server(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_request_for_tls_is_told_from_an_answer() {
        assert_eq!(client(b"\x20\0\0\x01\x85\xae\x3b\0"), Some(Answer::Tls(36)));
        assert_eq!(client(b"\x20\0\0\x01\x85\xa6\x3b\0"), Some(Answer::InClear));
        assert_eq!(client(b"\xb0\0\0\x01\x85\xae\x3b\0"), Some(Answer::InClear));
        assert_eq!(client(b"\x20\0\0\0\x85\xae\x3b\0"), None);
        assert_eq!(client(b"GET / HTTP/1.1"), None);
    }
}
