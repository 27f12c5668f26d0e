//! Protocols of ports, as Istio tells them (`pkg/config/protocol`, `pkg/config/kube/conversion.go`).

/// What a port is taken to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
    Grpc,
    GrpcWeb,
    Http,
    HttpProxy,
    Http2,
    Https,
    Tls,
    Mongo,
    Redis,
    Mysql,
    /// Not said: a sidecar finds out per connection.
    Unsupported,
}

/// Ports whose servers speak first, so that waiting for the client's bytes would hang.
const WELL_KNOWN_TCP: &[u32] = &[25, 53, 3306, 27017];

impl Protocol {
    pub(crate) fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Self::Tcp,
            "udp" => Self::Udp,
            "grpc" => Self::Grpc,
            "grpc-web" => Self::GrpcWeb,
            "http" => Self::Http,
            "http_proxy" => Self::HttpProxy,
            "http2" => Self::Http2,
            "https" => Self::Https,
            "tls" => Self::Tls,
            "mongo" => Self::Mongo,
            "redis" => Self::Redis,
            "mysql" => Self::Mysql,
            _ => Self::Unsupported,
        }
    }

    /// The protocol of a port of a Kubernetes Service: `appProtocol` wins over the name's prefix.
    pub(crate) fn of_service_port(
        number: u32,
        name: &str,
        transport: &str,
        app: Option<&str>,
    ) -> Self {
        if transport == "UDP" {
            return Self::Udp;
        }
        let name = match app {
            Some("kubernetes.io/h2c") => return Self::Http2,
            Some("kubernetes.io/ws") => return Self::Http,
            Some("kubernetes.io/wss") => return Self::Https,
            Some(app) => app,
            None => name,
        };
        if name
            .get(..8)
            .is_some_and(|p| p.eq_ignore_ascii_case("grpc-web"))
        {
            return Self::GrpcWeb;
        }
        let prefix = name.split('-').next().unwrap_or_default();
        match Self::parse(prefix) {
            Self::Unsupported if WELL_KNOWN_TCP.contains(&number) => Self::Tcp,
            protocol => protocol,
        }
    }

    /// The name in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Grpc => "GRPC",
            Self::GrpcWeb => "GRPC-Web",
            Self::Http => "HTTP",
            Self::HttpProxy => "HTTP_PROXY",
            Self::Http2 => "HTTP2",
            Self::Https => "HTTPS",
            Self::Tls => "TLS",
            Self::Mongo => "Mongo",
            Self::Redis => "Redis",
            Self::Mysql => "MySQL",
            Self::Unsupported => "an unnamed protocol",
        }
    }

    pub(crate) fn is_http(self) -> bool {
        matches!(
            self,
            Self::Http | Self::Http2 | Self::HttpProxy | Self::Grpc | Self::GrpcWeb
        )
    }

    pub(crate) fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    pub(crate) fn is_tcp(self) -> bool {
        matches!(
            self,
            Self::Tcp | Self::Https | Self::Tls | Self::Mongo | Self::Redis | Self::Mysql
        )
    }

    pub(crate) fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    pub(crate) fn is_unsupported(self) -> bool {
        self == Self::Unsupported
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol;

    #[test]
    fn of_service_ports() {
        for (number, name, app, want) in [
            (3306, "", None, Protocol::Tcp),
            (3306, "mysql", None, Protocol::Mysql),
            (3306, "http-mysql", Some("tcp"), Protocol::Tcp),
            (8080, "", None, Protocol::Unsupported),
            (8080, "grpc-web-x", None, Protocol::GrpcWeb),
            (443, "https", None, Protocol::Https),
            (80, "x", Some("kubernetes.io/h2c"), Protocol::Http2),
        ] {
            assert_eq!(
                Protocol::of_service_port(number, name, "TCP", app),
                want,
                "{number} {name}"
            );
        }
        assert_eq!(
            Protocol::of_service_port(53, "dns", "UDP", None),
            Protocol::Udp
        );
    }
}
