//! What a server answers to a hello, as far as it is in the clear. Pure: bytes in.

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;

/// What was understood so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Level and description.
    pub(super) alert: Option<(u8, u8)>,
    /// Major and minor version that the server chose, and its cipher suite.
    pub(super) chosen: Option<([u8; 2], u16)>,
    /// The server's certificates.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) asked: bool,
    /// Whether the server now waits for the client.
    pub(super) done: bool,
}

impl Answer {
    /// From all bytes that came, in the clear. What is cut off is not understood yet; what makes no
    /// sense is passed over, and the answer is never `done`.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut answer = Self::default();
        let mut messages = Vec::new();
        let mut rest = bytes;
        while let Some((kind, content, after)) = record(rest) {
            match (kind, content) {
                (ALERT, [level, number]) => {
                    answer.alert.get_or_insert((*level, *number));
                }
                (HANDSHAKE, content) => messages.extend_from_slice(content),
                // What follows, if anything, is not in the clear.
                _ => break,
            }
            rest = after;
        }
        let mut rest = messages.as_slice();
        while let Some((kind, content, after)) = message(rest) {
            answer.take(kind, content);
            rest = after;
        }
        answer
    }

    fn take(&mut self, kind: u8, content: &[u8]) {
        match kind {
            SERVER_HELLO => self.chosen = server_hello(content),
            CERTIFICATE => self.chain = certificates(content).unwrap_or_default(),
            CERTIFICATE_REQUEST => self.asked = true,
            SERVER_HELLO_DONE => self.done = true,
            _ => {}
        }
    }
}

fn record(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let ([kind, _, _, high, low], rest) = bytes.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let (content, after) = rest.split_at_checked(length)?;
    Some((*kind, content, after))
}

fn message(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (content, after) = long(rest)?;
    Some((*kind, content, after))
}

/// A content behind three bytes of length, and what follows.
fn long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let ([high, mid, low], rest) = bytes.split_first_chunk()?;
    let length = u32::from_be_bytes([0, *high, *mid, *low]) as usize;
    rest.split_at_checked(length)
}

fn server_hello(content: &[u8]) -> Option<([u8; 2], u16)> {
    let (version, rest) = content.split_first_chunk::<2>()?;
    let (_random, rest) = rest.split_first_chunk::<32>()?;
    let (session, rest) = rest.split_first()?;
    let (_session, rest) = rest.split_at_checked(usize::from(*session))?;
    let (suite, _) = rest.split_first_chunk::<2>()?;
    Some((*version, u16::from_be_bytes(*suite)))
}

fn certificates(content: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut list, _) = long(content)?;
    let mut all = Vec::new();
    while !list.is_empty() {
        let (certificate, rest) = long(list)?;
        all.push(certificate.to_vec());
        list = rest;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn record_of(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[kind, 3, 2][..], &length, content].concat()
    }

    fn message_of(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[kind][..], &length[1..], content].concat()
    }

    fn flight() -> Vec<u8> {
        let hello = [&[3, 2][..], &[9; 32], &[2, 1, 1], &[0xc0, 0x14], &[0]].concat();
        let chain = [&[0, 0, 9][..], &[0, 0, 2, 0xaa, 0xbb], &[0, 0, 1, 0xcc]].concat();
        [
            message_of(SERVER_HELLO, &hello),
            message_of(CERTIFICATE, &chain),
            message_of(CERTIFICATE_REQUEST, &[1, 1, 0, 0]),
            message_of(SERVER_HELLO_DONE, &[]),
        ]
        .concat()
    }

    #[test]
    fn a_server_that_takes_an_old_version_is_understood() {
        let expected = Answer {
            alert: None,
            chosen: Some(([3, 2], 0xc014)),
            chain: vec![vec![0xaa, 0xbb], vec![0xcc]],
            asked: true,
            done: true,
        };
        assert_eq!(Answer::read(&record_of(HANDSHAKE, &flight())), expected);
        // Messages may be cut anywhere into records.
        let records: Vec<u8> = flight()
            .chunks(7)
            .flat_map(|part| record_of(HANDSHAKE, part))
            .collect();
        assert_eq!(Answer::read(&records), expected);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_none(mut bytes in vec(any::<u8>(), 0..200), handshake: bool) {
            if handshake {
                bytes = record_of(HANDSHAKE, &bytes);
            }
            let answer = Answer::read(&bytes);
            // Nothing is made up: a certificate is somewhere in what came.
            for part in answer.chain.iter().filter(|part| !part.is_empty()) {
                prop_assert!(bytes.windows(part.len()).any(|found| found == part));
            }
        }
    }

    #[test]
    fn an_alert_is_an_answer() {
        let refused = Answer::read(&record_of(ALERT, &[2, 70]));
        assert_eq!(refused.alert, Some((2, 70)));
        assert!(!refused.done && refused.chosen.is_none());
    }

    #[test]
    fn what_is_cut_or_is_no_tls_is_no_answer_yet() {
        let whole = record_of(HANDSHAKE, &flight());
        for end in 0..whole.len() {
            assert!(!Answer::read(&whole[..end]).done, "{end}");
        }
        assert_eq!(Answer::read(b"HTTP/1.1 400 Bad Request"), Answer::default());
        let lying = record_of(HANDSHAKE, &message_of(CERTIFICATE, &[0, 0, 9, 0, 0, 50, 1]));
        assert_eq!(Answer::read(&lying), Answer::default());
    }
}
