//! TLS contexts of the accepting side (`pilot/pkg/networking/core/listener.go`,
//! `pilot/pkg/security/authn/utils/utils.go`).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    CA_SUFFIX, ROOT, WORKLOAD, credential_secret, exactly, file_pair, file_root, mesh_secret,
    names_context, validation,
};
use crate::{
    admission,
    api::gateway::{ServerTls, ServerTlsMode},
    compile::{envoy::extension, scope::View},
    mesh_config::TlsSettings,
    protocol::Protocol,
};

const PEER_ALPN: &[&str] = &["istio-peer-exchange", "h2", "http/1.1"];
const HTTP_ALPN: &[&str] = &["h2", "http/1.1"];
const CIPHERS: &[&str] = &[
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
];

fn server_socket(context: Value) -> Value {
    extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        context,
    )
}

/// Mesh TLS as a sidecar's server side: any identity of the mesh's trust domains.
pub(crate) fn mesh_server(scope: &View<'_>) -> Value {
    let settings = scope.mesh().mesh_tls();
    let names = scope
        .mesh()
        .accepted_trust_domains()
        .iter()
        .map(|d| json!({"prefix": format!("spiffe://{d}/")}))
        .collect();
    let ciphers = if settings.cipher_suites.is_empty() {
        json!(CIPHERS)
    } else {
        json!(settings.cipher_suites)
    };
    server_socket(json!({
        "common_tls_context": {
            "tls_params": {
                "tls_minimum_protocol_version": settings.least_version().unwrap_or("TLSv1_2"),
                "tls_maximum_protocol_version": "TLSv1_3",
                "cipher_suites": ciphers,
            },
            "alpn_protocols": PEER_ALPN,
            "tls_certificate_sds_secret_configs": [mesh_secret(WORKLOAD)],
            "combined_validation_context": validation(names_context(names), mesh_secret(ROOT)),
        },
        "require_client_certificate": true,
    }))
}

/// TLS of a gateway's server that ends it.
pub(crate) fn gateway_server(tls: &ServerTls, protocol: Protocol, scope: &View<'_>) -> Value {
    let mutual = matches!(tls.mode, ServerTlsMode::Mutual | ServerTlsMode::IstioMutual);
    let mut common = Map::new();
    if tls.mode == ServerTlsMode::IstioMutual {
        let alpn = if protocol == Protocol::Https {
            HTTP_ALPN
        } else {
            PEER_ALPN
        };
        common.insert("alpn_protocols".into(), json!(alpn));
        common.insert(
            "tls_certificate_sds_secret_configs".into(),
            json!([mesh_secret(WORKLOAD)]),
        );
        let mut context = names_context(exactly(&tls.subject_alt_names));
        accept_untrusted(tls, &mut context);
        common.insert(
            "combined_validation_context".into(),
            validation(context, mesh_secret(ROOT)),
        );
    } else {
        common.insert("alpn_protocols".into(), json!(HTTP_ALPN));
        if tls.credential_name.is_empty() && tls.credential_names.is_empty() {
            files(tls, &mut common);
        } else {
            credentials(tls, &mut common);
        }
        let params = params(tls, scope.mesh().tls_defaults());
        if !params.is_empty() {
            common.insert("tls_params".into(), params.into());
        }
    }
    server_socket(json!({"common_tls_context": common, "require_client_certificate": mutual}))
}

/// The server's certificates, and the authorities of its clients where it asks for certificates.
fn credentials(tls: &ServerTls, common: &mut Map<String, Value>) {
    let names = match tls.credential_names.as_slice() {
        [] => std::slice::from_ref(&tls.credential_name),
        names => names,
    };
    let secrets: Vec<Value> = names.iter().map(|n| credential_secret(n)).collect();
    common.insert("tls_certificate_sds_secret_configs".into(), secrets.into());
    let mut context = names_context(exactly(&tls.subject_alt_names));
    if tls.mode == ServerTlsMode::Simple {
        if !context.is_empty() {
            common.insert("validation_context".into(), context.into());
        }
        return;
    }
    for (field, values) in [
        ("verify_certificate_spki", &tls.verify_certificate_spki),
        ("verify_certificate_hash", &tls.verify_certificate_hash),
    ] {
        if !values.is_empty() {
            context.insert(field.into(), json!(values));
        }
    }
    accept_untrusted(tls, &mut context);
    // Of several certificates the first one's authorities count, unless others are named.
    let authorities = if tls.ca_cert_credential_name.is_empty() {
        format!("{}{CA_SUFFIX}", names[0])
    } else {
        tls.ca_cert_credential_name.clone()
    };
    common.insert(
        "combined_validation_context".into(),
        validation(context, credential_secret(&authorities)),
    );
}

/// Certificates and authorities in files of the gateway's container, which its agent serves.
fn files(tls: &ServerTls, common: &mut Map<String, Value>) {
    let pair = file_pair(&tls.server_certificate, &tls.private_key);
    common.insert("tls_certificate_sds_secret_configs".into(), json!([pair]));
    if tls.mode == ServerTlsMode::Simple {
        return;
    }
    let mut context = names_context(exactly(&tls.subject_alt_names));
    accept_untrusted(tls, &mut context);
    let authorities = file_root(&tls.ca_certificates);
    common.insert(
        "combined_validation_context".into(),
        validation(context, authorities),
    );
}

/// With `insecureSkipVerify` a client's certificate is asked for, and any is good.
fn accept_untrusted(tls: &ServerTls, context: &mut Map<String, Value>) {
    if tls.insecure_skip_verify {
        context.insert("trust_chain_verification".into(), "ACCEPT_UNTRUSTED".into());
    }
}

/// Versions, ciphers and curves: the server's own over the mesh's defaults.
fn params(tls: &ServerTls, defaults: &TlsSettings) -> Map<String, Value> {
    let mut params = Map::new();
    let mut set = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            params.insert(field.into(), value);
        }
    };
    let some = |list: &[String]| (!list.is_empty()).then(|| json!(list));
    set("ecdh_curves", some(&defaults.ecdh_curves));
    set("cipher_suites", some(&defaults.cipher_suites));
    set(
        "tls_minimum_protocol_version",
        defaults.least_version().map(Value::from),
    );
    set("ecdh_curves", some(&tls.ecdh_curves));
    set("cipher_suites", some(&known(&tls.cipher_suites)));
    set(
        "tls_minimum_protocol_version",
        tls.min_protocol_version.envoy().map(Value::from),
    );
    set(
        "tls_maximum_protocol_version",
        tls.max_protocol_version.envoy().map(Value::from),
    );
    params
}

/// The cipher suites that Istio lets through, each once.
fn known(ciphers: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    ciphers
        .iter()
        .filter(|c| admission::is_cipher(c) && seen.insert(c.as_str()))
        .cloned()
        .collect()
}
