//! Small values with a spelling of their own: `namespace/name`, `host:port`, durations.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// An object of a cluster, written `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for ObjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if is_name(namespace) && is_name(name) => Ok(Self {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(format!(
                "invalid object `{text}`, expected namespace/name, as in default/mysql"
            )),
        }
    }
}

/// Whether a text can name a Kubernetes object: an RFC 1123 subdomain.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// How long an RFC 1123 label may be.
pub(crate) const LONGEST_LABEL: usize = 63;

/// Whether a text is an RFC 1123 label: lower-case letters, digits and inner hyphens, at most 63.
pub(crate) fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=LONGEST_LABEL).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Where a client connects to, written `host:port`. The host may be a name, an IPv4 address, or an
/// IPv6 address in brackets (kept here without them).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("{why}; expected host:port, as in db.example:3306");
        let (host, port) = text.rsplit_once(':').ok_or_else(|| bad("no port"))?;
        let port =
            parse_port(port).ok_or_else(|| bad("the port is not a number from 1 to 65535"))?;
        let host = parse_host(host).ok_or_else(|| bad("the host is no name and no address"))?;
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// A port as digits only, so that `+80` and `0x50` are no ports.
fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

fn parse_host(text: &str) -> Option<&str> {
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return inner.parse::<std::net::Ipv6Addr>().ok().map(|_| inner);
    }
    let part = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let name = text.len() <= 253
        && text
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(part));
    name.then_some(text)
}

/// A stretch of time, written as a whole number and a unit: `200ms`, `2s`, `1m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub Duration);

/// No window longer than this is held: it would rather be a mistake in the unit.
const LONGEST: Duration = Duration::from_secs(60 * 60);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "invalid duration `{text}`, expected a whole number with ms, s or m, as in 200ms, up to 60m"
            )
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u32 = number.parse().map_err(|_| bad())?;
        let unit = match unit {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            _ => return Err(bad()),
        };
        let period = unit.saturating_mul(number);
        if period.is_zero() || period > LONGEST {
            Err(bad())
        } else {
            Ok(Self(period))
        }
    }
}

/// Reads a type from its text, and describes it to editors by a pattern.
macro_rules! textual {
    ($type:ident, $pattern:literal, $description:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": $pattern, "description": $description})
            }
        }
    };
}

pub(crate) use textual;

textual!(
    ObjectName,
    "^[a-z0-9][-.a-z0-9]*/[a-z0-9][-.a-z0-9]*$",
    "namespace/name"
);
textual!(
    Period,
    "^[0-9]+(ms|s|m)$",
    "A whole number with ms, s or m, as in 200ms."
);
