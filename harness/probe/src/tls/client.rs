//! A TLS client from a request.

use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::watch::Watch;
use crate::request::{ClientCertificate, RequestError, TlsOpening, TlsVersion};

/// A connection that has not sent anything yet.
pub(crate) struct Prepared {
    pub(super) connection: ClientConnection,
    pub(super) watch: Arc<Watch>,
    pub(super) offered: String,
}

pub(super) fn prepare(tls: &TlsOpening, host: &str) -> Result<Prepared, RequestError> {
    let provider = Arc::new(ring::default_provider());
    let trust = tls.trust_pem.as_deref().map(trust).transpose()?;
    let certificate = tls.certificate.as_ref().map(held).transpose()?;
    let watch = Arc::new(Watch::new(Arc::clone(&provider), trust, certificate));
    let versions = versions(tls.min, tls.max);
    let name = tls.sni.as_deref().unwrap_or(host);
    let cannot = |what, value: &str, why: String| RequestError::Name {
        what,
        value: value.to_owned(),
        why,
    };
    let server = ServerName::try_from(name.to_owned())
        .map_err(|error| cannot("host", name, error.to_string()))?;
    let verifier = Arc::clone(&watch);
    let resolver = Arc::clone(&watch);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| cannot("max", tls.max.number(), error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(resolver);
    config.enable_sni = tls.sni.is_some();
    config.alpn_protocols = tls.alpn.iter().map(|name| name.clone().into()).collect();
    // Each probe is to see the whole handshake.
    config.resumption = Resumption::disabled();
    let connection = ClientConnection::new(Arc::new(config), server)
        .map_err(|error| cannot("host", name, error.to_string()))?;
    Ok(Prepared {
        connection,
        watch,
        offered: offered(tls.min, tls.max),
    })
}

fn versions(min: TlsVersion, max: TlsVersion) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(TlsVersion::V12, &TLS12), (TlsVersion::V13, &TLS13)];
    let within = all
        .into_iter()
        .filter(|(version, _)| (min..=max).contains(version));
    within.map(|(_, version)| version).collect()
}

fn offered(min: TlsVersion, max: TlsVersion) -> String {
    if min == max {
        return max.number().to_owned();
    }
    format!("{} to {}", min.number(), max.number())
}

fn certificates(
    what: &'static str,
    pem: &str,
) -> Result<Vec<CertificateDer<'static>>, RequestError> {
    let wrong = |why: String| RequestError::Pem { what, why };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    Ok(found)
}

fn trust(pem: &str) -> Result<Arc<WebPkiServerVerifier>, RequestError> {
    const WHAT: &str = "trustPem";
    let wrong = |why: String| RequestError::Pem { what: WHAT, why };
    let mut roots = RootCertStore::empty();
    for authority in certificates(WHAT, pem)? {
        roots
            .add(authority)
            .map_err(|error| wrong(error.to_string()))?;
    }
    let provider = Arc::new(ring::default_provider());
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| wrong(error.to_string()))
}

/// Certificate and key are not compared: what does not fit together may be what is to be shown.
fn held(given: &ClientCertificate) -> Result<Arc<CertifiedKey>, RequestError> {
    const KEY: &str = "keyPem";
    let chain = certificates("chainPem", &given.chain_pem)?;
    // The library's own words are left out: they could have a piece of the key.
    let wrong = |why: &str| RequestError::Pem {
        what: KEY,
        why: why.to_owned(),
    };
    let key = PrivateKeyDer::from_pem_slice(given.key_pem.as_bytes())
        .map_err(|_| wrong("there is no private key in it"))?;
    let key = ring::sign::any_supported_type(&key)
        .map_err(|_| wrong("it is of a kind that is not supported (RSA, ECDSA and Ed25519 are)"))?;
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}
