//! How each leg of a path was protected, by what the receiving hop logged.
//!
//! That SQL worked proves nothing: it works over plaintext too. What a line cannot tell is
//! [`Shown::Unknown`] with the reason, mostly the Envoy operator that the format lacks.

use std::fmt;

use meshproof_record::{Hop, Protection};

use crate::access_log::{HopLine, Logged};
use crate::classify::name;
use crate::stitch::{PATH, SessionPath};

/// What was shown of one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegProof {
    /// The sending hop.
    pub from: Hop,
    /// The receiving hop, whose line is the evidence.
    pub to: Hop,
    /// Whether TLS 1.2 or later was spoken, and which version.
    pub encrypted: Shown<Tls>,
    /// Whether the sender showed a certificate, and whose.
    pub mutual: Shown<Identity>,
}

/// An answer that may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown<T> {
    /// Shown to be so.
    Yes(T),
    /// Shown not to be so, and by what.
    No(String),
    /// Not shown either way, and why.
    Unknown(String),
}

/// The TLS version of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// As logged: `TLSv1.3`.
    Version(String),
    /// A server name was logged, so there was a `ClientHello`; the format has no version.
    NotInFormat,
}

/// Who the sender's certificate says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `DOWNSTREAM_PEER_URI_SAN`.
    pub uri_san: Option<String>,
    /// `DOWNSTREAM_PEER_SUBJECT`.
    pub subject: Option<String>,
}

impl LegProof {
    /// The protection that both answers together show; `None` where one of them is unknown.
    pub fn protection(&self) -> Option<Protection> {
        match (&self.encrypted, &self.mutual) {
            (Shown::No(_), _) => Some(Protection::None),
            (Shown::Yes(_), Shown::Yes(_)) => Some(Protection::Mutual),
            (Shown::Yes(_), Shown::No(_)) => Some(Protection::ServerOnly),
            _ => None,
        }
    }
}

impl Identity {
    /// Whether this is `expected`: one of the URI names, the whole subject, or one part of it
    /// (`CN=name` of `CN=name,O=company`).
    pub fn is(&self, expected: &str) -> bool {
        let one_of = |list: &Option<String>| {
            list.as_deref()
                .is_some_and(|list| list.split(',').any(|item| item.trim() == expected))
        };
        self.subject.as_deref() == Some(expected) || one_of(&self.uri_san) || one_of(&self.subject)
    }
}

/// The three legs of a path, in order. Legs whose receiver was not found are unknown.
pub fn prove_legs(path: &SessionPath<'_>) -> Vec<LegProof> {
    PATH.windows(2)
        .map(|hops| match path.line(hops[1]) {
            Some(line) => prove(hops[0], hops[1], line),
            None => missing(hops[0], hops[1], path),
        })
        .collect()
}

fn missing(from: Hop, to: Hop, path: &SessionPath<'_>) -> LegProof {
    let broken = path
        .broken
        .as_ref()
        .map(|broken| format!(": {broken}"))
        .unwrap_or_default();
    let why = format!("no line of {} belongs to this session{broken}", name(to));
    LegProof {
        from,
        to,
        encrypted: Shown::Unknown(why.clone()),
        mutual: Shown::Unknown(why),
    }
}

/// One leg from its receiver's line.
pub fn prove(from: Hop, to: Hop, line: &HopLine) -> LegProof {
    let Err(doubt) = used(line) else {
        let encrypted = encrypted(line);
        let mutual = mutual(line, &encrypted);
        return LegProof {
            from,
            to,
            encrypted,
            mutual,
        };
    };
    let doubt = format!("{}: {doubt}", name(to));
    LegProof {
        from,
        to,
        encrypted: Shown::Unknown(doubt.clone()),
        mutual: Shown::Unknown(doubt),
    }
}

/// Bytes from the sender arrive only after its handshake, certificate included, was accepted. Before
/// that Envoy logs version and subject of a peer that it then refuses.
fn used(line: &HopLine) -> Result<(), String> {
    if let Some(reason) = line
        .downstream_failure
        .text()
        .filter(|reason| is_handshake_failure(reason))
    {
        return Err(format!("the handshake failed ({reason})"));
    }
    match line.bytes_received {
        Logged::Value(0) => {
            Err("no byte of the sender arrived, so the handshake may not have finished".into())
        }
        Logged::Value(_) => Ok(()),
        _ => {
            Err("the format lacks %BYTES_RECEIVED%, which shows that the handshake finished".into())
        }
    }
}

/// A connection that ends without `close_notify` leaves a system error, long after the handshake.
fn is_handshake_failure(reason: &str) -> bool {
    !reason.contains("system_library")
}

fn encrypted(line: &HopLine) -> Shown<Tls> {
    match (&line.tls_version, &line.sni) {
        (Logged::Value(old), _) if is_old(old) => Shown::No(format!("{old}, older than TLS 1.2")),
        (Logged::Value(version), _) => Shown::Yes(Tls::Version(version.clone())),
        (Logged::Absent, Logged::Value(sni)) => Shown::Unknown(format!(
            "the receiver saw the server name {sni} and opened no TLS: it may pass TLS of others through"
        )),
        (Logged::Absent, _) => Shown::No("plaintext: bytes arrived and the receiver logged no TLS version".into()),
        (Logged::NotInFormat, Logged::Value(_)) => Shown::Yes(Tls::NotInFormat),
        (Logged::NotInFormat, _) => Shown::Unknown(
            "the receiver logged no server name, and its format lacks %DOWNSTREAM_TLS_VERSION%, which would tell".into(),
        ),
    }
}

fn is_old(version: &str) -> bool {
    version.starts_with("SSL") || matches!(version, "TLSv1" | "TLSv1.0" | "TLSv1.1")
}

fn mutual(line: &HopLine, encrypted: &Shown<Tls>) -> Shown<Identity> {
    if let Shown::No(why) = encrypted {
        return Shown::No(why.clone());
    }
    let (uri_san, subject) = (&line.peer_uri_san, &line.peer_subject);
    if uri_san.value().is_some() || subject.value().is_some() {
        let text = |logged: &Logged<String>| logged.text().map(str::to_owned);
        return Shown::Yes(Identity {
            uri_san: text(uri_san),
            subject: text(subject),
        });
    }
    match (uri_san.in_format(), subject.in_format()) {
        (true, true) if matches!(encrypted, Shown::Unknown(_)) => {
            Shown::Unknown("the receiver opened no TLS, so it saw no certificate".into())
        }
        (true, true) => Shown::No(
            "the receiver logged neither URI name nor subject of a certificate of the sender"
                .into(),
        ),
        (true, false) => lacks("%DOWNSTREAM_PEER_SUBJECT%"),
        (false, true) => lacks("%DOWNSTREAM_PEER_URI_SAN%"),
        (false, false) => lacks("%DOWNSTREAM_PEER_URI_SAN% and %DOWNSTREAM_PEER_SUBJECT%"),
    }
}

fn lacks(operators: &str) -> Shown<Identity> {
    Shown::Unknown(format!(
        "the receiver's format lacks {operators}, which would name the sender's certificate"
    ))
}

impl<T: fmt::Display> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes(what) => write!(f, "yes ({what})"),
            Self::No(why) => write!(f, "no ({why})"),
            Self::Unknown(why) => write!(f, "unknown ({why})"),
        }
    }
}

impl fmt::Display for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => f.write_str(version),
            Self::NotInFormat => f.write_str("TLS, version not in the format"),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found: Vec<&str> = [&self.uri_san, &self.subject]
            .into_iter()
            .filter_map(Option::as_deref)
            .collect();
        f.write_str(&found.join(", "))
    }
}
