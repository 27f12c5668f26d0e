//! The first packet of a MySQL server, from bytes that somebody else received.

/// What a server sends first (MySQL's protocol, packet and `HandshakeV10`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstPacket {
    /// The greeting: the way to the database is open.
    Greeting,
    /// An error in place of one: the server does not want this host, or no more connections.
    Error,
}

impl FirstPacket {
    /// From bytes in hexadecimal, with or without spaces between them: three bytes of length, sequence
    /// number 0, then protocol version 10 or an error. `None` for anything else.
    pub fn read(hex: &str) -> Option<Self> {
        let digits: Vec<char> = hex
            .chars()
            .filter(|c| !c.is_whitespace())
            .take(10)
            .collect();
        // A digit short is another byte, and a sign is no digit.
        let byte = |pair: &[char]| match pair {
            [high, low] => u8::try_from(high.to_digit(16)? * 16 + low.to_digit(16)?).ok(),
            _ => None,
        };
        let bytes: Vec<u8> = digits.chunks(2).map_while(byte).collect();
        match bytes.as_slice() {
            [_, _, _, 0, 0x0a] => Some(Self::Greeting),
            [_, _, _, 0, 0xff] => Some(Self::Error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FirstPacket;

    #[test]
    fn tells_a_greeting_from_an_error_and_from_anything_else() {
        assert_eq!(
            FirstPacket::read(" 64 00 00 00 0a 35 2e\n 31\n"),
            Some(FirstPacket::Greeting)
        );
        assert_eq!(
            FirstPacket::read("640000000a352e"),
            Some(FirstPacket::Greeting)
        );
        assert_eq!(
            FirstPacket::read("45 00 00 00 ff 69 04"),
            Some(FirstPacket::Error)
        );
        for other in [
            "",
            "64 00",
            "15 03 01 00 02 02",
            "HTTP/1.1",
            "64 00 00 01 0a",
            "64 00 00 00 a",
            "64 00 00 00 +a",
        ] {
            assert_eq!(FirstPacket::read(other), None, "{other}");
        }
    }
}
