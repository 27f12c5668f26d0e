//! What a capture on the link between the clusters shows. Nobody's payload is in it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Everything that was seen on the link during a case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WireEvidence {
    /// Interface, pod and cluster.
    pub captured_at: String,
    /// Packets that were captured.
    pub packets: u64,
    /// Packets that passed and were not captured: nothing is known of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
    /// Packets of which only the first bytes were captured.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut: u64,
    /// Packets that are no TCP segment as a whole: other protocols, fragments. Canaries were looked
    /// for in each by itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other: u64,
    /// Segments of more connections than are told apart. Canaries were looked for in each by itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub untracked: u64,
    /// Other cases were under way meanwhile: what crossed may be theirs.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shared: bool,
    /// TCP connections in the order of their first packets.
    pub connections: Vec<WireConnection>,
    /// What was looked for in every byte, in both directions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canaries: Vec<WireCanary>,
    /// Who was seen to answer a TLS hello, in this case or before it under the same configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls_servers: Vec<SocketAddr>,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireSide {
    /// Who opened it.
    Client,
    /// Who was called.
    Server,
}

impl WireSide {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// One TCP connection. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WireConnection {
    /// Who opened it, as the link sees it: behind the masquerade of its cluster.
    pub client: SocketAddr,
    /// Who was called.
    pub server: SocketAddr,
    /// How it began.
    pub opening: WireOpening,
    /// First packets (SYN) of the client, repetitions included.
    pub syns: u64,
    /// From the capture's first packet to this connection's.
    pub started_ms: f64,
    /// From its first packet to its last.
    pub lasted_ms: f64,
    /// From its first packet to the server's SYN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_ms: Option<f64>,
    /// What the client sent.
    pub from_client: WireDirection,
    /// What the server sent.
    pub from_server: WireDirection,
    /// The handshake, where TLS was spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<WireTls>,
    /// What is to be seen of MySQL, where it was spoken in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mysql: Option<WireMySql>,
}

impl WireConnection {
    /// What one end sent.
    pub fn from(&self, side: WireSide) -> &WireDirection {
        match side {
            WireSide::Client => &self.from_client,
            WireSide::Server => &self.from_server,
        }
    }

    /// Who ended it first, by FIN or RST; `None` while it is open.
    pub fn ended_by(&self) -> Option<WireSide> {
        let first = |side| self.from(side).ended_ms();
        match (first(WireSide::Client), first(WireSide::Server)) {
            (Some(client), Some(server)) if server < client => Some(WireSide::Server),
            (Some(_), _) => Some(WireSide::Client),
            (None, Some(_)) => Some(WireSide::Server),
            (None, None) => None,
        }
    }

    /// Whether nothing more will come.
    pub fn is_over(&self) -> bool {
        let [client, server] = [&self.from_client, &self.from_server];
        client.rst_ms.is_some()
            || server.rst_ms.is_some()
            || (client.fin_ms.is_some() && server.fin_ms.is_some())
    }

    /// Whether every byte that both ends sent was captured and read.
    pub fn is_whole(&self) -> bool {
        self.opening != WireOpening::MidStream
            && WireSide::BOTH
                .iter()
                .all(|side| self.from(*side).is_whole())
    }
}

/// How a connection began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireOpening {
    /// The client called and nobody answered.
    Unanswered,
    /// The client called and was refused by a reset.
    Refused,
    /// Both ends agreed.
    Established,
    /// It was open before the capture began. Who is client and who server is then taken from the ports.
    MidStream,
}

/// What one end of a connection sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WireDirection {
    /// Packets.
    pub packets: u64,
    /// Bytes of payload, each counted once.
    pub bytes: u64,
    /// Bytes that came again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeated: u64,
    /// Bytes that came again and were not the same.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub contradicting: u64,
    /// Bytes that must have been sent and were not captured.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing: u64,
    /// More was sent than is kept of one connection: the rest was not put together.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    /// What the bytes are.
    pub speaks: WireSpeech,
    /// Number of the first byte that is not of that any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strays_at: Option<u64>,
    /// From the connection's first packet to this end's FIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fin_ms: Option<f64>,
    /// From the connection's first packet to this end's RST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rst_ms: Option<f64>,
}

impl WireDirection {
    /// When this end ended the connection.
    pub fn ended_ms(&self) -> Option<f64> {
        match (self.fin_ms, self.rst_ms) {
            (Some(fin), Some(rst)) => Some(fin.min(rst)),
            (fin, rst) => fin.or(rst),
        }
    }

    /// Whether every byte was captured and read.
    pub fn is_whole(&self) -> bool {
        self.missing == 0 && self.contradicting == 0 && !self.truncated
    }
}

/// What the bytes of one direction are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireSpeech {
    /// There are none.
    #[default]
    Nothing,
    /// Records of TLS.
    Tls,
    /// Packets of MySQL in clear.
    Mysql,
    /// Packets of MySQL in clear, then TLS of MySQL's own.
    MysqlThenTls,
    /// Something else.
    Other,
    /// The beginning was not captured, or is too short to tell.
    NotVisible,
}

/// A handshake as far as it is in clear.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WireTls {
    /// Versions that the client offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offered: Vec<String>,
    /// The version that the server chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The name that the client asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// Protocols that the client offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
    /// The cipher suite that the server chose, by its name or in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher: Option<String>,
    /// Whether the server asked for the client's certificate.
    pub certificate_requested: WireSeen,
    /// Whether the client showed a certificate.
    pub certificate_shown: WireSeen,
    /// Alerts in clear.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<WireAlert>,
    /// Alerts that are encrypted and show as such; under TLS 1.3 they do not even that.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hidden_alerts: u64,
}

/// Whether something was there, if that can be seen at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireSeen {
    /// It was.
    Yes,
    /// It was not.
    No,
    /// It is encrypted, belongs to an earlier session that this one resumes, was not captured, or the
    /// handshake did not come so far.
    #[default]
    NotVisible,
}

/// An alert in clear (RFC 8446, 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireAlert {
    /// Who sent it.
    pub from: WireSide,
    /// Whether it ends the connection.
    pub fatal: bool,
    /// Its number.
    pub number: u8,
    /// Its name in the RFC.
    pub name: String,
}

/// MySQL in clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireMySql {
    /// The server greeted.
    pub greeting: bool,
    /// The server's first packet is this error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<u16>,
    /// The client then asked for TLS of MySQL's own.
    pub own_tls: bool,
}

/// A text that was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireCanary {
    /// The text.
    pub text: String,
    /// How often it was found.
    pub times: u64,
    /// The first places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<WirePlace>,
}

/// Where a text was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WirePlace {
    /// In what one end of a connection sent.
    Stream {
        /// Index in [`WireEvidence::connections`].
        connection: usize,
        /// Who sent it.
        from: WireSide,
        /// Number of its first byte.
        at: u64,
    },
    /// In a packet that belongs to no stream.
    Packet {
        /// Which packet of the capture, counted from 1.
        number: u64,
    },
}

// Serde hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !*flag
}
