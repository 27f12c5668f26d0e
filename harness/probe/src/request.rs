//! What the prober is asked to do.

use std::fmt;
use std::time::Duration;

use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::COMMAND;

/// One connection to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How long the name, each address's TCP, and TLS's handshake may take; each for itself.
    pub timeout_ms: u64,
    /// How long to wait for first bytes, and for the end where those are none of MySQL's.
    pub hold_ms: u64,
    /// How to open.
    pub opening: Opening,
}

/// How to open a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Opening {
    /// Say nothing.
    Silent,
    /// Say this at once, in plaintext.
    Speak(String),
    /// Speak TLS.
    Tls(Box<TlsOpening>),
}

/// A TLS client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsOpening {
    /// The server's name to ask for; none sends none.
    #[serde(default)]
    pub sni: Option<String>,
    /// Application protocols to offer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
    /// The oldest version to offer.
    #[serde(default)]
    pub min: TlsVersion,
    /// The newest version to offer.
    #[serde(default = "newest")]
    pub max: TlsVersion,
    /// The certificate to show when asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<ClientCertificate>,
    /// The authorities to verify the server by. Without them nothing is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_pem: Option<String>,
    /// Send this in place of a sound `ClientHello`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malformed: Option<Malformed>,
}

/// A certificate and its key. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificate {
    /// The leaf, then what is sent behind it.
    pub chain_pem: String,
    /// The leaf's key. Secret.
    pub key_pem: String,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(secret)")
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TlsVersion {
    /// 1.0.
    #[serde(rename = "1.0")]
    V10,
    /// 1.1.
    #[serde(rename = "1.1")]
    V11,
    /// 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V12,
    /// 1.3.
    #[serde(rename = "1.3")]
    V13,
}

const fn newest() -> TlsVersion {
    TlsVersion::V13
}

impl TlsVersion {
    /// Its number.
    pub const fn number(self) -> &'static str {
        match self {
            Self::V10 => "1.0",
            Self::V11 => "1.1",
            Self::V12 => "1.2",
            Self::V13 => "1.3",
        }
    }
}

/// What may be wrong with a `ClientHello`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Malformed {
    /// Half of it, then nothing more.
    Truncated,
    /// A record longer than a record may be (RFC 8446, 5.1).
    OversizedRecord,
    /// The length of its extensions goes beyond its end.
    WrongLength,
    /// It offers no cipher suite.
    NoCiphers,
    /// A record of a type that does not exist.
    UnknownRecordType,
    /// The hello of SSL 2.
    Ssl2,
}

impl Malformed {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Truncated,
        Self::OversizedRecord,
        Self::WrongLength,
        Self::NoCiphers,
        Self::UnknownRecordType,
        Self::Ssl2,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::OversizedRecord => "oversized-record",
            Self::WrongLength => "wrong-length",
            Self::NoCiphers => "no-ciphers",
            Self::UnknownRecordType => "unknown-record-type",
            Self::Ssl2 => "ssl2",
        }
    }
}

/// Why a request cannot be carried out.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RequestError {
    /// Not its JSON.
    #[error("the request is not valid: {0}")]
    Json(String),
    /// Versions in the wrong order.
    #[error("`min` is {min} and `max` is {max}: nothing is between them")]
    Versions {
        /// The oldest.
        min: &'static str,
        /// The newest.
        max: &'static str,
    },
    /// Versions that no one hello offers here.
    #[error(
        "`min` is {min} and `max` is {max}: one hello offers either 1.2 and later or one version before; ask for them one by one"
    )]
    Span {
        /// The oldest.
        min: &'static str,
        /// The newest.
        max: &'static str,
    },
    /// A handshake that does not get there.
    #[error(
        "`{what}` is of no use with {with}: the prober sends only the hello; leave one of them out"
    )]
    OnlyHello {
        /// What was given beside it.
        what: &'static str,
        /// What was asked for.
        with: &'static str,
    },
    /// A name that cannot stand in a hello.
    #[error("`{what}` is `{value}`, which cannot be sent: {why}")]
    Name {
        /// Which.
        what: &'static str,
        /// What it is.
        value: String,
        /// Why not.
        why: String,
    },
    /// A certificate, a key or an authority that cannot be read. The words have none of it.
    #[error("reading `{what}`: {why}")]
    Pem {
        /// Which.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
}

impl Request {
    /// What to run in the pod.
    pub fn command() -> Vec<String> {
        [COMMAND, "connect"].map(str::to_owned).to_vec()
    }

    /// What to feed it. Secret where there is a key.
    ///
    /// # Errors
    /// It cannot be carried out.
    pub fn input(&self) -> Result<Vec<u8>, RequestError> {
        self.check()?;
        serde_json::to_vec(self).map_err(|error| RequestError::Json(error.to_string()))
    }

    /// Reads a request.
    ///
    /// # Errors
    /// It is none, or cannot be carried out.
    pub fn read(json: &[u8]) -> Result<Self, RequestError> {
        let request: Self = serde_json::from_slice(json).map_err(|error| unreadable(&error))?;
        request.check()?;
        Ok(request)
    }

    /// The longest that the prober may take, for who waits for it: the name, one address and the
    /// handshake, the hold, and a second to start.
    pub fn longest(&self) -> Duration {
        Duration::from_millis(3 * self.timeout_ms + self.hold_ms + 1000)
    }

    fn check(&self) -> Result<(), RequestError> {
        match &self.opening {
            Opening::Silent | Opening::Speak(_) => Ok(()),
            Opening::Tls(tls) => tls.check(),
        }
    }
}

/// Serde shows strings that it did not expect; a key must not be shown.
fn unreadable(error: &serde_json::Error) -> RequestError {
    let words = error.to_string();
    if words.contains("-----") {
        let (line, column) = (error.line(), error.column());
        return RequestError::Json(format!(
            "a PEM text is at the wrong place, line {line} column {column}"
        ));
    }
    RequestError::Json(words)
}

impl TlsOpening {
    /// Whether only a hello is sent, made by the prober itself.
    pub(crate) fn only_hello(&self) -> Option<&'static str> {
        match self.malformed {
            Some(_) => Some("`malformed`"),
            None if self.max < TlsVersion::V12 => Some("a version before 1.2"),
            None => None,
        }
    }

    fn check(&self) -> Result<(), RequestError> {
        let (min, max) = (self.min.number(), self.max.number());
        if self.min > self.max {
            return Err(RequestError::Versions { min, max });
        }
        if self.min < TlsVersion::V12 && self.min != self.max {
            return Err(RequestError::Span { min, max });
        }
        if let Some(with) = self.only_hello() {
            let given = [
                ("certificate", self.certificate.is_some()),
                ("trustPem", self.trust_pem.is_some()),
            ];
            if let Some((what, _)) = given.into_iter().find(|(_, given)| *given) {
                return Err(RequestError::OnlyHello { what, with });
            }
        }
        self.check_names()
    }

    fn check_names(&self) -> Result<(), RequestError> {
        let cannot = |what, value: &str, why: &str| RequestError::Name {
            what,
            value: value.to_owned(),
            why: why.to_owned(),
        };
        if let Some(sni) = &self.sni {
            match ServerName::try_from(sni.as_str()) {
                Ok(ServerName::DnsName(_)) => {}
                Ok(_) => {
                    return Err(cannot(
                        "sni",
                        sni,
                        "an address is no server name (RFC 6066, 3)",
                    ));
                }
                Err(error) => return Err(cannot("sni", sni, &error.to_string())),
            }
        }
        let fits = |name: &&String| (1..=255).contains(&name.len());
        match self.alpn.iter().find(|name| !fits(name)) {
            Some(name) => Err(cannot("alpn", name, "it takes 1 to 255 bytes")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(tls: TlsOpening) -> Request {
        Request {
            host: "h".to_owned(),
            port: 13306,
            timeout_ms: 1000,
            hold_ms: 200,
            opening: Opening::Tls(Box::new(tls)),
        }
    }

    fn modern() -> TlsOpening {
        TlsOpening {
            max: TlsVersion::V13,
            ..TlsOpening::default()
        }
    }

    #[test]
    fn reads_the_documented_form() {
        let text = r#"{"host": "h", "port": 13306, "timeoutMs": 1000, "holdMs": 200, "opening": {"tls":
            {"sni": "outbound_.3306_._.mysql.default.svc.cluster.local", "alpn": ["istio"], "min": "1.2", "max": "1.3",
             "certificate": {"chainPem": "c", "keyPem": "k"}, "trustPem": "t"}}}"#;
        let request = Request::read(text.as_bytes()).unwrap();
        assert_eq!(Request::read(&request.input().unwrap()).unwrap(), request);
        for opening in [r#""silent""#, r#"{"speak": "SELECT 1"}"#, r#"{"tls": {}}"#] {
            let text =
                format!(r#"{{"host":"h","port":1,"timeoutMs":1,"holdMs":1,"opening":{opening}}}"#);
            Request::read(text.as_bytes()).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let refused = |opening: TlsOpening| tls(opening).input().unwrap_err().to_string();
        let mixed = TlsOpening {
            min: TlsVersion::V10,
            ..modern()
        };
        assert!(refused(mixed).contains("one by one"));
        let turned = TlsOpening {
            min: TlsVersion::V13,
            max: TlsVersion::V12,
            ..modern()
        };
        assert!(refused(turned).contains("nothing is between"));
        let old = TlsOpening {
            min: TlsVersion::V11,
            max: TlsVersion::V11,
            trust_pem: Some(String::new()),
            ..modern()
        };
        assert!(refused(old).contains("`trustPem` is of no use with a version before 1.2"));
        for sni in ["192.0.2.1", "", "a b"] {
            let named = TlsOpening {
                sni: Some(sni.to_owned()),
                ..modern()
            };
            assert!(refused(named).starts_with("`sni` is"), "{sni}");
        }
        let nameless = TlsOpening {
            alpn: vec![String::new()],
            ..modern()
        };
        assert!(refused(nameless).starts_with("`alpn` is"));
        for text in [
            "",
            "{}",
            r#"{"host":"h","port":1,"timeoutMs":1,"holdMs":1,"opening":"silent","x":1}"#,
        ] {
            assert!(Request::read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = "-----BEGIN PRIVATE KEY-----\\nsecretsecret\\n-----END PRIVATE KEY-----";
        let wrong = format!(
            r#"{{"host":"h","port":1,"timeoutMs":1,"holdMs":1,"opening":{{"tls":{{"certificate":"{key}"}}}}}}"#
        );
        let error = Request::read(wrong.as_bytes()).unwrap_err().to_string();
        assert!(
            error.contains("line 1") && !error.contains("secret"),
            "{error}"
        );
        let shown = tls(TlsOpening {
            certificate: Some(ClientCertificate {
                chain_pem: String::new(),
                key_pem: key.to_owned(),
            }),
            ..modern()
        });
        let shown = format!("{shown:?}");
        assert!(!shown.contains("BEGIN"), "{shown}");
    }
}
