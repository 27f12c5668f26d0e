//! Servers of every kind, each for one connection, and certificates.

#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use meshproof_probe::{ClientCertificate, Opening, Request, TlsOpening, TlsVersion};
use rcgen::ExtendedKeyUsagePurpose as Usage;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, date_time_ymd,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};

pub(crate) const NAME: &str = "a.example";
/// The head of a greeting of MySQL 8, cut after its version.
pub(crate) const GREETING: &[u8] = &[6, 0, 0, 0, 10, b'8', b'.', b'4', b'.', 0];

/// A server for one connection.
pub(crate) struct Server {
    pub(crate) port: u16,
    serving: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(serve: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = std::thread::spawn(move || serve(listener.accept().unwrap().0));
        Self { port, serving }
    }

    /// One that speaks TLS, then says `says`, then waits for the client to close.
    pub(crate) fn tls(config: ServerConfig, says: &'static [u8]) -> Self {
        Self::start(move |mut stream| {
            let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
            // A failure sends its alert, which is what is tested.
            while tls.is_handshaking() {
                if tls.complete_io(&mut stream).is_err() {
                    return;
                }
            }
            let mut both = rustls::Stream::new(&mut tls, &mut stream);
            both.write_all(says).unwrap();
            let _end = both.read(&mut [0; 64]);
        })
    }

    /// Waits for its end, and says what the client did wrong in its eyes.
    pub(crate) fn end(self) {
        self.serving.join().unwrap();
    }
}

/// An authority.
pub(crate) struct Pki {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

/// A leaf with its key.
pub(crate) struct Leaf {
    certificate: Certificate,
    key: KeyPair,
}

impl Leaf {
    pub(crate) fn chain_pem(&self) -> String {
        self.certificate.pem()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    pub(crate) fn given(&self) -> ClientCertificate {
        ClientCertificate {
            chain_pem: self.chain_pem(),
            key_pem: self.key_pem(),
        }
    }
}

/// Until when a leaf is valid.
#[derive(Clone, Copy)]
pub(crate) enum Valid {
    Now,
    UntilLongAgo,
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self::named("an authority")
    }

    /// One that nobody here trusts. It has a name of its own: under the same name its signatures would
    /// be wrong, and not its issuer unknown.
    pub(crate) fn stranger() -> Self {
        Self::named("a stranger")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = common(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        Self {
            issuer,
            certificate,
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub(crate) fn leaf(&self, name: &str, usage: Usage, valid: Valid) -> Leaf {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name = common(name);
        params.extended_key_usages = vec![usage];
        if let Valid::UntilLongAgo = valid {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { certificate, key }
    }

    pub(crate) fn server(&self) -> Leaf {
        self.leaf(NAME, Usage::ServerAuth, Valid::Now)
    }

    pub(crate) fn client(&self) -> ClientCertificate {
        self.leaf(NAME, Usage::ClientAuth, Valid::Now).given()
    }

    /// A server that wants a client certificate of this authority.
    pub(crate) fn mutual(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        self.config(versions, &self.server(), true)
    }

    /// A server that shows `shown`.
    pub(crate) fn config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        shown: &Leaf,
        mutual: bool,
    ) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap();
        let builder = if mutual {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificate.der().clone()).unwrap();
            let provider = Arc::new(default_provider());
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![shown.certificate.der().clone()];
        let key = PrivateKeyDer::from_pem_slice(shown.key_pem().as_bytes()).unwrap();
        builder.with_single_cert(chain, key).unwrap()
    }
}

fn common(name: &str) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    all.push(DnType::CommonName, name);
    all
}

pub(crate) fn request(port: u16, opening: Opening) -> Request {
    Request {
        host: "127.0.0.1".to_owned(),
        port,
        timeout_ms: 5000,
        hold_ms: 5000,
        opening,
    }
}

pub(crate) fn of(version: TlsVersion) -> TlsOpening {
    TlsOpening {
        sni: Some(NAME.to_owned()),
        min: version,
        max: version,
        ..TlsOpening::default()
    }
}

pub(crate) fn tls(port: u16, opening: TlsOpening) -> Request {
    request(port, Opening::Tls(Box::new(opening)))
}
