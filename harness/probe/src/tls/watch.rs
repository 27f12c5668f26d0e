//! What the handshake shows on its way: the server's chain, and its question for a certificate.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use meshproof_record::Cause;
use rustls::client::ResolvesClientCert;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) asked: bool,
    pub(super) sent: bool,
    pub(super) authorities: Vec<Vec<u8>>,
    pub(super) refused: Option<Cause>,
}

/// Sees it. Both the verifier of the server and the keeper of the client's certificate.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) trust: Option<Arc<WebPkiServerVerifier>>,
    pub(super) certificate: Option<Arc<CertifiedKey>>,
    seen: Mutex<Seen>,
}

impl Watch {
    pub(super) fn new(
        provider: Arc<CryptoProvider>,
        trust: Option<Arc<WebPkiServerVerifier>>,
        certificate: Option<Arc<CertifiedKey>>,
    ) -> Self {
        Self {
            provider,
            trust,
            certificate,
            seen: Mutex::default(),
        }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without authorities any chain is accepted. That is safe here, and here only: the prober shows what a
/// server does to a client. It sends nothing behind the handshake, trusts nothing that it reads, and
/// reports the chain for others to judge. The signature on the handshake is verified in any case, so
/// that the server has shown to hold the key of the certificate that is reported.
impl ServerCertVerifier for Watch {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(leaf).chain(others);
        self.seen().chain = chain.map(|der| der.to_vec()).collect();
        let Some(trust) = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = trust.verify_server_cert(leaf, others, name, ocsp, now);
        if let Err(Error::InvalidCertificate(error)) = &verified {
            self.seen().refused = cause(error);
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Why a chain was not accepted, where the record has a word for it.
fn cause(error: &CertificateError) -> Option<Cause> {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => Some(Cause::Expired),
        E::NotValidYet | E::NotValidYetContext { .. } => Some(Cause::NotYetValid),
        E::Revoked => Some(Cause::Revoked),
        E::UnknownIssuer | E::BadSignature => Some(Cause::UnknownCa),
        E::NotValidForName | E::NotValidForNameContext { .. } => Some(Cause::SanMismatch),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => Some(Cause::WrongPurpose),
        _ => None,
    }
}

/// The certificate is shown whatever authorities the server names: it may be the wrong one on purpose.
impl ResolvesClientCert for Watch {
    fn resolve(
        &self,
        authorities: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let certificate = self.certificate.clone();
        let usable = certificate.filter(|held| held.key.choose_scheme(schemes).is_some());
        let mut seen = self.seen();
        seen.asked = true;
        seen.sent = usable.is_some();
        seen.authorities = authorities.iter().map(|der| der.to_vec()).collect();
        usable
    }

    fn has_certs(&self) -> bool {
        self.certificate.is_some()
    }
}
