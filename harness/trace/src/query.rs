//! What is asked: which pod connects to what, and how it opens.

use std::{collections::BTreeMap, net::IpAddr};

/// A connection to follow.
#[derive(Clone, Debug)]
pub struct Query {
    /// The pod that connects: `name`, `namespace/name` or `cluster:namespace/name`.
    pub from: String,
    /// The name or address that it connects to.
    pub host: String,
    /// The port that it connects to.
    pub port: u16,
    /// How it opens the connection.
    pub opening: Opening,
    /// Addresses of names that nothing in the clusters tells.
    pub resolve: BTreeMap<String, Vec<IpAddr>>,
    /// The address that the other cluster sees in place of the sender's; nodes and load balancers put their
    /// own.
    pub seen_as: Option<IpAddr>,
    /// The time at which certificates are judged, in seconds since 1970.
    pub at: i64,
}

/// How a program opens its connection.
#[derive(Clone, Debug)]
pub enum Opening {
    /// It waits for the server's greeting, as a MySQL client does.
    ServerFirst,
    /// It sends plain bytes at once.
    Plaintext,
    /// It opens TLS of its own.
    Tls(ClientTls),
}

/// The TLS that a program opens by itself.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    /// Sent as SNI; `None` sends none.
    pub sni: Option<String>,
    /// Offered protocols.
    pub alpn: Vec<String>,
    /// The lowest version offered; `None` is TLS 1.2.
    pub min: Option<TlsVersion>,
    /// The highest version offered; `None` is TLS 1.3.
    pub max: Option<TlsVersion>,
    /// The certificate chain shown when asked for one, PEM, leaf first.
    pub certificate: Option<Vec<u8>>,
    /// The authorities that the server's certificate is checked against, PEM; `None` checks nothing.
    pub authorities: Option<Vec<u8>>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum TlsVersion {
    V1_0,
    V1_1,
    V1_2,
    V1_3,
}

impl TlsVersion {
    /// Reads `1.2` or Envoy's `TLSv1_2`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.strip_prefix("TLSv").unwrap_or(text) {
            "1.0" | "1_0" => Self::V1_0,
            "1.1" | "1_1" => Self::V1_1,
            "1.2" | "1_2" => Self::V1_2,
            "1.3" | "1_3" => Self::V1_3,
            _ => return None,
        })
    }

    /// As people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "TLS 1.0",
            Self::V1_1 => "TLS 1.1",
            Self::V1_2 => "TLS 1.2",
            Self::V1_3 => "TLS 1.3",
        }
    }
}
