//! Addresses as Envoy logs them.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// An address of a connection's end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// `10.0.0.1:3306` or `[fd00::1]:3306`.
    Socket(SocketAddr),
    /// Anything else that Envoy has addresses for: a Unix socket's path, an internal listener.
    Other(String),
}

impl Address {
    /// The IP address and port, if it is one.
    pub fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket(socket) => Some(*socket),
            Self::Other(_) => None,
        }
    }

    /// The port, if it has one.
    pub fn port(&self) -> Option<u16> {
        self.socket().map(|socket| socket.port())
    }
}

impl FromStr for Address {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text
            .parse()
            .map_or_else(|_| Self::Other(text.to_owned()), Self::Socket))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(socket) => socket.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn reads_ip_and_other() {
        let v4: Address = "10.17.0.6:49700".parse().unwrap();
        assert_eq!(v4.port(), Some(49700));
        let v6: Address = "[fd00::1]:3306".parse().unwrap();
        assert_eq!(v6.to_string(), "[fd00::1]:3306");
        let internal: Address = "envoy://connect_originate/10.0.0.1:8080".parse().unwrap();
        assert_eq!(internal.socket(), None);
        assert_eq!(
            internal.to_string(),
            "envoy://connect_originate/10.0.0.1:8080"
        );
    }
}
