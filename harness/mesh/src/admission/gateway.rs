//! `Gateway`, judged in Istio's words.

use std::collections::BTreeSet;

use super::{Subject, findings::Findings, names, text::quoted};
use crate::{
    api::gateway::{Gateway, Server, ServerPort, ServerTls, ServerTlsMode, TlsVersion},
    protocol::Protocol,
};

pub(crate) fn validate(gateway: &Gateway, subject: &Subject<'_>) -> Findings {
    let mut found = Findings::default();
    if !names::is_dns_label(subject.name) {
        found.fail(format!("invalid gateway name: {}", quoted(subject.name)));
    }
    if gateway.servers.is_empty() {
        found.fail("gateway must have at least one server");
    }
    for server in &gateway.servers {
        found.add(validate_server(server));
    }
    found.add(port_names(&gateway.servers));
    found
}

fn port_names(servers: &[Server]) -> Findings {
    let mut found = Findings::default();
    let mut seen = BTreeSet::new();
    for server in servers {
        let Some(port) = &server.port else { continue };
        if !seen.insert(&port.name) {
            found.fail(format!(
                "port names in servers must be unique: duplicate name {}",
                port.name
            ));
        }
        let redirects = server.tls.as_ref().is_some_and(|t| t.https_redirect);
        if redirects && !Protocol::parse(&port.protocol).is_http() {
            found.warn("tls.httpsRedirect should only be used with http servers");
        }
    }
    found
}

fn validate_server(server: &Server) -> Findings {
    let mut found = Findings::default();
    if server.hosts.is_empty() {
        found.fail("server config must contain at least one host");
    }
    for host in &server.hosts {
        found.add(names::namespaced_host(host, true));
    }
    let port = validate_port(server.port.as_ref(), &server.bind);
    let port_is_good = port.is_clean();
    found.add(port);
    found.add(bind(server));
    if let Some(tls) = &server.tls {
        found.add(validate_tls(tls));
    }
    if let (Some(port), true) = (&server.port, port_is_good) {
        found.check(tls_fits_protocol(server, port));
    }
    found
}

fn tls_fits_protocol(server: &Server, port: &ServerPort) -> Result<(), String> {
    let protocol = Protocol::parse(&port.protocol);
    match &server.tls {
        None if protocol.is_tls() => {
            Err("server must have TLS settings for HTTPS/TLS protocols".into())
        }
        Some(tls) if !protocol.is_tls() => {
            if !protocol.is_http() {
                return Err("server cannot have TLS settings for non HTTPS/TLS ports".into());
            }
            let has_files = !(tls.ca_certificates.is_empty()
                && tls.private_key.is_empty()
                && tls.server_certificate.is_empty());
            if !tls.mode.is_passthrough() || has_files {
                return Err("server cannot have TLS settings for plain text HTTP ports".into());
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn bind(server: &Server) -> Findings {
    let mut found = Findings::default();
    if let Some(path) = server.bind.strip_prefix("unix://") {
        found.check(names::unix_path(path));
        if let Some(port) = server.port.as_ref().filter(|p| p.number != 0) {
            found.fail(format!(
                "port number must be 0 for unix domain socket: {}",
                port_text(port)
            ));
        }
    } else if !server.bind.is_empty() {
        found.check(names::address(&server.bind));
    }
    found
}

/// A port as Go prints the message.
fn port_text(port: &ServerPort) -> String {
    let mut fields = Vec::new();
    if port.number != 0 {
        fields.push(format!("number:{}", port.number));
    }
    for (name, value) in [("protocol", &port.protocol), ("name", &port.name)] {
        if !value.is_empty() {
            fields.push(format!("{name}:{}", quoted(value)));
        }
    }
    if port.target_port != 0 {
        fields.push(format!("target_port:{}", port.target_port));
    }
    fields.join("  ")
}

fn validate_port(port: Option<&ServerPort>, bind: &str) -> Findings {
    let mut found = Findings::default();
    let Some(port) = port else {
        found.fail("port is required");
        return found;
    };
    if Protocol::parse(&port.protocol) == Protocol::Unsupported {
        found.fail(format!(
            "invalid protocol {}, supported protocols are HTTP, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP",
            quoted(&port.protocol)
        ));
    }
    if port.number > 0 || !bind.starts_with("unix://") {
        found.check(names::port(port.number));
    }
    if port.target_port > 0 {
        found.fail("targetPort has no impact on Gateways");
    }
    if port.name.is_empty() {
        found.fail(format!("port name must be set: {}", port_text(port)));
    }
    found
}

/// The cipher suites that Istio lets through to Envoy (`pkg/config/security/security.go`).
const CIPHER_SUITES: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
];

fn validate_tls(tls: &ServerTls) -> Findings {
    let mut found = Findings::default();
    if matches!(
        tls.min_protocol_version,
        TlsVersion::V1_0 | TlsVersion::V1_1
    ) && tls.cipher_suites.is_empty()
    {
        found.warn(
            "TLS version below TLSV1_2 require setting compatible ciphers as by default they no longer include compatible ciphers.",
        );
    }
    warn_of_ciphers(tls, &mut found);
    if tls.mode == ServerTlsMode::IstioMutual {
        istio_mutual(tls, &mut found);
        return found;
    }
    if tls.mode.is_passthrough() && names_certificates(tls) {
        let mode = if tls.mode == ServerTlsMode::Passthrough {
            "PASSTHROUGH"
        } else {
            "AUTO_PASSTHROUGH"
        };
        found.warn(format!(
            "{mode} mode does not use certificates, they will be ignored"
        ));
    }
    one_source(tls, &mut found);
    let credential = !tls.credential_name.is_empty() || !tls.credential_names.is_empty();
    if tls.mode.terminates_with_credential() && credential {
        return found;
    }
    if tls.mode.terminates_with_credential() {
        files(tls, &mut found);
    }
    if !tls.ca_crl.is_empty() {
        if !tls.credential_name.is_empty() {
            found.fail(
                "CRL is not supported with credentialName. CRL has to be specified in the credential",
            );
        }
        if tls.mode == ServerTlsMode::Simple {
            found.fail("CRL is not supported with SIMPLE TLS");
        }
    }
    found
}

fn warn_of_ciphers(tls: &ServerTls, found: &mut Findings) {
    let (mut invalid, mut valid, mut duplicate) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for cipher in &tls.cipher_suites {
        if !is_cipher(cipher) {
            invalid.insert(cipher.as_str());
        } else if !valid.insert(cipher.as_str()) {
            duplicate.insert(cipher.as_str());
        }
    }
    let listed = |set: &BTreeSet<&str>| set.iter().copied().collect::<Vec<_>>().join(" ");
    if !invalid.is_empty() {
        found.warn(format!(
            "ignoring invalid cipher suites: [{}]",
            listed(&invalid)
        ));
    }
    if !duplicate.is_empty() {
        found.warn(format!(
            "ignoring duplicate cipher suites: [{}]",
            listed(&duplicate)
        ));
    }
}

/// Expressions of BoringSSL's (`!`, `+`, `[`...) are let through unread, as Istio does.
pub(crate) fn is_cipher(cipher: &str) -> bool {
    cipher.chars().next().is_none_or(|c| !c.is_alphanumeric())
        || cipher == "ALL"
        || CIPHER_SUITES.contains(&cipher)
}

fn istio_mutual(tls: &ServerTls, found: &mut Findings) {
    for (given, what) in [
        (!tls.server_certificate.is_empty(), "server certificate"),
        (!tls.private_key.is_empty(), "private key"),
        (!tls.ca_certificates.is_empty(), "CA bundle"),
        (!tls.tls_certificates.is_empty(), "tlsCertificates"),
        (!tls.credential_name.is_empty(), "credentialName"),
        (!tls.credential_names.is_empty(), "credentialNames"),
    ] {
        if given {
            found.fail(format!("ISTIO_MUTUAL TLS cannot have associated {what}"));
        }
    }
}

fn names_certificates(tls: &ServerTls) -> bool {
    !(tls.ca_crl.is_empty()
        && tls.server_certificate.is_empty()
        && tls.private_key.is_empty()
        && tls.ca_certificates.is_empty()
        && tls.tls_certificates.is_empty()
        && tls.credential_name.is_empty()
        && tls.credential_names.is_empty())
}

fn one_source(tls: &ServerTls, found: &mut Findings) {
    let sources = [
        !tls.server_certificate.is_empty() && !tls.private_key.is_empty(),
        !tls.credential_name.is_empty(),
        !tls.credential_names.is_empty(),
        !tls.tls_certificates.is_empty(),
    ];
    if sources.iter().filter(|s| **s).count() > 1 {
        found.fail(
            "only one of credential_name, credential_names, server_certificate/private_key, tls_certificates should be specified",
        );
    }
}

fn files(tls: &ServerTls, found: &mut Findings) {
    let mutual = tls.mode != ServerTlsMode::Simple;
    let mode = if mutual { "MUTUAL TLS" } else { "SIMPLE TLS" };
    if mutual && tls.ca_certificates.is_empty() {
        found.fail(format!("{mode} requires a client CA bundle"));
    }
    if tls.tls_certificates.len() > 2 {
        found.warn(format!("{mode} can support up to 2 server certificates"));
    }
    let own = (tls.server_certificate.as_str(), tls.private_key.as_str());
    let named = |c: &'_ serde_json::Value, field| c[field].as_str().is_none_or(str::is_empty);
    let mut missing: Vec<(bool, bool)> = tls
        .tls_certificates
        .iter()
        .map(|c| (named(c, "serverCertificate"), named(c, "privateKey")))
        .collect();
    if missing.is_empty() {
        missing.push((own.0.is_empty(), own.1.is_empty()));
    }
    for (certificate, key) in missing {
        if certificate {
            found.fail(format!("{mode} requires a server certificate"));
        }
        if key {
            found.fail(format!("{mode} requires a private key"));
        }
    }
}
