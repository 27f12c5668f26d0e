//! A bare mutual-TLS server in front of a plaintext one: what a partner runs that has no mesh.
//!
//! It takes TLS 1.2 and later, wants a client certificate by its `ca.crt`, and only then dials the
//! server behind it. It prints a JSON object for each connection: `peer`, `accepted`, and `subject` of
//! the client or `why` not.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::certificate;
use crate::entry::Failure;
use crate::serve::{serve, tell};

/// What it serves, and by which certificate.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    listen: SocketAddr,
    /// A folder with `tls.crt`, `tls.key` and `ca.crt`, as a Secret is mounted.
    certificate: PathBuf,
    /// `HOST:PORT` of the server behind it.
    to: String,
}

pub(crate) fn run(options: &[&str]) -> Result<(), Failure> {
    let config = config(options).map_err(Failure::Request)?;
    let acceptor = acceptor(&config.certificate).map_err(Failure::Request)?;
    let to: Arc<str> = config.to.into();
    serve(config.listen, move |stream, peer| {
        session(acceptor.clone(), stream, peer, Arc::clone(&to))
    })
}

/// What has to be said on the command line.
const NAMES: [&str; 3] = ["--listen", "--certificate", "--to"];

fn config(options: &[&str]) -> Result<Config, String> {
    if let ["--config", file] = options {
        let text = std::fs::read(file).map_err(|error| format!("reading {file}: {error}"))?;
        return serde_json::from_slice(&text).map_err(|error| format!("reading {file}: {error}"));
    }
    let mut values = [None; 3];
    for pair in options.chunks(2) {
        let at = NAMES.iter().position(|name| Some(name) == pair.first());
        match (at, pair) {
            (Some(at), [_, value]) => values[at] = Some(*value),
            _ => {
                return Err(format!(
                    "endpoint: cannot read the options at `{}`",
                    pair.join(" ")
                ));
            }
        }
    }
    let need = |at: usize| values[at].ok_or_else(|| format!("endpoint: {} is missing", NAMES[at]));
    let listen = need(0)?;
    Ok(Config {
        listen: listen
            .parse()
            .map_err(|_| format!("endpoint: --listen `{listen}` is no ADDRESS:PORT"))?,
        certificate: need(1)?.into(),
        to: need(2)?.to_owned(),
    })
}

fn acceptor(folder: &Path) -> Result<TlsAcceptor, String> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| format!("reading {}: {error}", path.display()))
    };
    let wrong = |name: &str, why: String| format!("reading {}: {why}", folder.join(name).display());
    let certificates = |name: &str| {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(name)?).collect();
        found.map_err(|error| wrong(name, error.to_string()))
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates("ca.crt")? {
        roots
            .add(authority)
            .map_err(|error| wrong("ca.crt", error.to_string()))?;
    }
    let provider = Arc::new(ring::default_provider());
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| wrong("ca.crt", error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&read("tls.key")?)
        .map_err(|_| wrong("tls.key", "there is no private key in it".to_owned()))?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("choosing versions of TLS: {error}"))?
        .with_client_cert_verifier(clients)
        .with_single_cert(certificates("tls.crt")?, key)
        .map_err(|error| wrong("tls.crt", error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn session(acceptor: TlsAcceptor, stream: TcpStream, peer: SocketAddr, to: Arc<str>) {
    let mut tls = match acceptor.accept(stream).await {
        Ok(tls) => tls,
        Err(error) => {
            return tell(&json!({"peer": peer, "accepted": false, "why": error.to_string()}));
        }
    };
    let shown = tls.get_ref().1.peer_certificates();
    let leaf = shown.and_then(<[_]>::first);
    let subject = leaf.map(|der| certificate::describe(der).subject);
    match TcpStream::connect(&*to).await {
        Ok(mut behind) => {
            tell(&json!({"peer": peer, "accepted": true, "subject": subject}));
            // How either side ends is no matter of this one.
            let _ended = tokio::io::copy_bidirectional(&mut tls, &mut behind).await;
        }
        Err(error) => {
            let why = format!("dialling {to}: {error}");
            tell(&json!({"peer": peer, "accepted": true, "subject": subject, "why": why}));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_a_file_say_the_same() {
        let expected = Config {
            listen: "0.0.0.0:13306".parse().unwrap(),
            certificate: "/secret".into(),
            to: "mysql:3306".to_owned(),
        };
        let options = [
            "--to",
            "mysql:3306",
            "--listen",
            "0.0.0.0:13306",
            "--certificate",
            "/secret",
        ];
        assert_eq!(config(&options), Ok(expected));
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = r#"{"listen": "0.0.0.0:13306", "certificate": "/secret", "to": "mysql:3306"}"#;
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(config(&["--config", path]), config(&options));
    }

    #[test]
    fn wrong_options_are_named() {
        let said = |options: &[&str]| config(options).unwrap_err();
        assert!(said(&["--to", "a:1"]).contains("--listen is missing"));
        assert!(said(&["--port", "1"]).contains("`--port 1`"));
        assert!(said(&["--to"]).contains("`--to`"));
        let port = ["--listen", "13306", "--certificate", "/", "--to", "a:1"];
        assert!(said(&port).contains("`13306` is no ADDRESS:PORT"));
    }
}
