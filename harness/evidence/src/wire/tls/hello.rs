//! Messages of the handshake that are in clear.

pub(super) const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;
const CLIENT_KEY_EXCHANGE: u8 = 16;

/// Extensions.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// Length of a hello's random bytes.
const RANDOM: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    ClientHello(ClientHello),
    ServerHello { version: u16, cipher: u16 },
    Certificate { empty: bool },
    CertificateRequest,
    ServerHelloDone,
    ClientKeyExchange,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientHello {
    /// In the client's order; before supported versions were named one by one, the highest alone.
    pub(super) versions: Vec<u16>,
    pub(super) sni: Option<String>,
    pub(super) alpn: Vec<String>,
}

/// Reads a message; `None` for kinds that tell nothing here and for what is malformed.
pub(super) fn read(kind: u8, body: &[u8]) -> Option<Message> {
    match kind {
        CLIENT_HELLO => client_hello(body).map(Message::ClientHello),
        SERVER_HELLO => server_hello(body),
        // The list of certificates has its length in front.
        CERTIFICATE => {
            let length = body.first_chunk::<3>()?;
            Some(Message::Certificate {
                empty: *length == [0, 0, 0],
            })
        }
        CERTIFICATE_REQUEST => Some(Message::CertificateRequest),
        SERVER_HELLO_DONE => Some(Message::ServerHelloDone),
        CLIENT_KEY_EXCHANGE => Some(Message::ClientKeyExchange),
        _ => None,
    }
}

fn client_hello(body: &[u8]) -> Option<ClientHello> {
    let mut body = Bytes(body);
    let version = body.short()?;
    body.take(RANDOM)?;
    body.list8()?;
    body.list16()?;
    body.list8()?;
    let mut hello = ClientHello {
        versions: vec![version],
        ..ClientHello::default()
    };
    // Extensions came with TLS 1.0's successors and may be missing.
    let mut extensions = body.list16().unwrap_or(Bytes(&[]));
    while let (Some(kind), Some(value)) = (extensions.short(), extensions.list16()) {
        match kind {
            SERVER_NAME => hello.sni = server_name(value),
            ALPN => hello.alpn = protocols(value).unwrap_or_default(),
            SUPPORTED_VERSIONS => {
                if let Some(versions) = versions(value) {
                    hello.versions = versions;
                }
            }
            _ => {}
        }
    }
    Some(hello)
}

fn server_name(mut value: Bytes<'_>) -> Option<String> {
    const HOST: &[u8] = &[0];
    let mut names = value.list16()?;
    while let (Some(kind), Some(name)) = (names.take(1), names.list16()) {
        if kind == HOST {
            return Some(printable(name.0));
        }
    }
    None
}

fn protocols(mut value: Bytes<'_>) -> Option<Vec<String>> {
    let mut list = value.list16()?;
    let mut names = Vec::new();
    while let Some(name) = list.list8() {
        names.push(printable(name.0));
    }
    Some(names)
}

fn versions(mut value: Bytes<'_>) -> Option<Vec<u16>> {
    let mut list = value.list8()?;
    let mut all = Vec::new();
    while let Some(version) = list.short() {
        // Values that are sent so that nobody relies on their absence (RFC 8701).
        if version & 0x0f0f != 0x0a0a {
            all.push(version);
        }
    }
    Some(all)
}

fn server_hello(body: &[u8]) -> Option<Message> {
    let mut body = Bytes(body);
    let mut version = body.short()?;
    body.take(RANDOM)?;
    body.list8()?;
    let cipher = body.short()?;
    body.take(1)?;
    let mut extensions = body.list16().unwrap_or(Bytes(&[]));
    while let (Some(kind), Some(mut value)) = (extensions.short(), extensions.list16()) {
        if kind == SUPPORTED_VERSIONS {
            version = value.short()?;
        }
    }
    Some(Message::ServerHello { version, cipher })
}

/// Names are text by their standards; what is not is shown so that nobody is deceived.
fn printable(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Bytes from the front.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<u16> {
        self.take(2)
            .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// What has its length in front, in one byte or two.
    fn list8(&mut self) -> Option<Self> {
        let length = usize::from(*self.take(1)?.first()?);
        self.take(length).map(Self)
    }

    fn list16(&mut self) -> Option<Self> {
        let length = usize::from(self.short()?);
        self.take(length).map(Self)
    }
}
