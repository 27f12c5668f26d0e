//! The fixed words of the format. Those of verdicts are spelt as in the run record.

use schemars::JsonSchema;
use serde::Deserialize;

/// Declares an enum of fixed words with their spelling.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every word, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word as written in the file.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// One of the two clusters.
    Side {
        /// The cluster that the SQL comes from.
        Client = "client",
        /// The cluster that the database runs in.
        Server = "server",
    }
}

words! {
    /// Whether new pods of a namespace get a sidecar.
    Injection {
        /// Label `istio-injection: enabled`.
        Enabled = "enabled",
        /// No injection label.
        Disabled = "disabled",
    }
}

words! {
    /// Which certificate of the run a Secret holds.
    Certificate {
        /// The client's leaf: subject `CN=<dnsName>`, extended key usage clientAuth.
        Client = "client",
        /// The application's leaf for the ingress gateway: DNS name `<dnsName>`, serverAuth.
        Application = "application",
    }
}

words! {
    /// What is wrong with a certificate; everything else about it is right.
    Flaw {
        /// Signed by itself.
        SelfSigned = "self-signed",
        /// Of an authority that nobody trusts.
        UnknownCa = "unknown-ca",
        /// After its time.
        Expired = "expired",
        /// Before its time.
        NotYetValid = "not-yet-valid",
        /// Its extended key usage is the other side's.
        WrongPurpose = "wrong-purpose",
        /// Shown without the intermediate that signed it.
        WithoutIntermediate = "without-intermediate",
        /// For another DNS name.
        OtherName = "other-name",
        /// A workload's certificate of another mesh.
        OtherMesh = "other-mesh",
    }
}

words! {
    /// An authority that signs leaves.
    AuthorityName {
        /// The run's own.
        Run = "run",
        /// The one that takes its place in a rotation.
        New = "new",
    }
}

words! {
    /// An authority that a Secret trusts.
    Trust {
        /// The run's own: root and intermediate.
        Run = "run",
        /// The root of the run's own alone.
        RunRoot = "run-root",
        /// The one that takes its place in a rotation.
        New = "new",
        /// One that signed nothing.
        Other = "other",
    }
}

words! {
    /// Whether a MySQL client uses TLS of its own.
    OwnTls {
        /// Never.
        Off = "off",
        /// Always: without it the client gives up.
        Required = "required",
    }
}

words! {
    /// A version of TLS.
    TlsVersion {
        /// RFC 2246.
        V10 = "1.0",
        /// RFC 4346.
        V11 = "1.1",
        /// RFC 5246.
        V12 = "1.2",
        /// RFC 8446.
        V13 = "1.3",
    }
}

words! {
    /// How the client opens the connection.
    Speaks {
        /// A MySQL client: waits for the server's greeting.
        Mysql = "mysql",
        /// Speaks first, a few bytes that are no TLS.
        Plaintext = "plaintext",
        /// A prober opens TLS; its pod has the image `meshproof/probe`.
        Tls = "tls",
        /// A prober connects and waits in silence.
        Silent = "silent",
    }
}

words! {
    /// How a session must end.
    Outcome {
        /// The client gets through to the database.
        Connected = "connected",
        /// Somebody on the path ends the connection.
        Refused = "refused",
        /// Nobody answers.
        Unreachable = "unreachable",
    }
}

impl Outcome {
    /// Whether a case with this outcome is a negative one.
    pub const fn is_negative(self) -> bool {
        !matches!(self, Self::Connected)
    }
}

words! {
    /// A place on the way from client to database, in the order of the way.
    Hop {
        /// The client program itself, before anything leaves the pod.
        Client = "client",
        /// The sidecar in the client's pod.
        ClientSidecar = "client-sidecar",
        /// The egress gateway of the client cluster.
        Egress = "egress",
        /// The network between: no proxy answers.
        Network = "network",
        /// The ingress gateway of the server cluster.
        Ingress = "ingress",
        /// The sidecar in the database's pod.
        ServerSidecar = "server-sidecar",
        /// The database server.
        Mysqld = "mysqld",
    }
}

impl Hop {
    /// Whether an Envoy with an access log stands there.
    pub const fn is_proxy(self) -> bool {
        matches!(
            self,
            Self::ClientSidecar | Self::Egress | Self::Ingress | Self::ServerSidecar
        )
    }
}

words! {
    /// Why a session must end.
    Cause {
        /// The client showed no certificate.
        NoClientCertificate = "no-client-certificate",
        /// A certificate of an authority that the other side does not trust.
        UnknownCa = "unknown-ca",
        /// A certificate after its time.
        Expired = "expired",
        /// A certificate before its time.
        NotYetValid = "not-yet-valid",
        /// A revoked certificate.
        Revoked = "revoked",
        /// A certificate whose extended key usage does not fit.
        WrongPurpose = "wrong-purpose",
        /// A certificate for another name.
        SanMismatch = "san-mismatch",
        /// A server name that no filter chain has.
        SniMismatch = "sni-mismatch",
        /// Something that is no TLS arrived where TLS is spoken.
        NotTls = "not-tls",
        /// TLS arrived where plaintext is spoken.
        TlsToPlaintext = "tls-to-plaintext",
        /// No TLS version in common.
        ProtocolVersion = "protocol-version",
        /// No route leads on.
        NoRoute = "no-route",
        /// Nobody listens at the port.
        NoListener = "no-listener",
        /// The cluster has no endpoint.
        NoEndpoint = "no-endpoint",
        /// The connection was refused.
        Refused = "refused",
        /// The packets were dropped without an answer.
        Dropped = "dropped",
        /// The name does not resolve.
        Dns = "dns",
        /// The proxy's certificate or key is missing.
        SecretMissing = "secret-missing",
        /// An authorization policy denied it.
        PolicyDenied = "policy-denied",
        /// The database is down.
        ServerDown = "server-down",
        /// The database rejected user or password, or denied what the user asked for.
        AuthDenied = "auth-denied",
        /// The database that was asked for does not exist.
        UnknownDatabase = "unknown-database",
        /// The database took the connection and never greeted.
        NoGreeting = "no-greeting",
    }
}

words! {
    /// How a leg between two hops must be protected.
    Protection {
        /// TLS 1.2 or later, and the sender showed a certificate.
        Mutual = "mutual",
        /// TLS 1.2 or later, only the receiver showed one.
        ServerOnly = "server-only",
        /// Plaintext.
        None = "none",
    }
}

words! {
    /// What crosses the link between the clusters.
    ExpectedLink {
        /// TLS only: no statement, no row and no greeting stands there in clear.
        Secret = "secret",
        /// The session stands there in clear: the control of the detector.
        Readable = "readable",
        /// Not a single byte.
        Nothing = "nothing",
    }
}

words! {
    /// Whether sessions fail while something is changed.
    Failures {
        /// Not one.
        None = "none",
        /// At least one, for the expected reason.
        Some = "some",
    }
}
