//! TLS contexts, on both sides of a connection.

mod server;

use serde_json::{Map, Value, json};

use super::{envoy::extension, scope::View};
use crate::api::destination_rule::{ClientTls, ClientTlsMode, ProxyProtocol, ProxyProtocolVersion};
pub(crate) use server::{gateway_server, mesh_server};

/// What Istio's own clients offer, the first for its peer metadata; a stock Envoy ignores its meaning,
/// but server sidecars choose their filter chain by it.
const MESH_ALPN: &[&str] = &["istio-peer-exchange", "istio"];

/// The secret of the workload's own certificate.
pub(crate) const WORKLOAD: &str = "default";
/// The secret of the mesh's root certificates.
pub(crate) const ROOT: &str = "ROOTCA";
/// What begins the SDS name of authorities in a file.
const FILE_ROOT: &str = "file-root:";
/// The secret of the authorities that the system trusts.
pub(crate) const SYSTEM_ROOTS: &str = "file-root:system";
/// The suffix of the secret with the authorities of a credential.
pub(crate) const CA_SUFFIX: &str = "-cacert";
/// What begins the SDS name of a credential in a Secret.
pub(crate) const CREDENTIAL: &str = "kubernetes://";
/// What begins the SDS name of authorities in a `ConfigMap`.
pub(crate) const CONFIG_MAP: &str = "configmap://";
/// The credential that is the workload's own certificate.
const BUILTIN: &str = "builtin://";

/// The mesh's own certificates: waited for without end.
fn mesh_secret(name: &str) -> Value {
    json!({"name": name, "sds_config": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}})
}

/// Files of the proxy's container, which its agent serves: waited for as long as Envoy does by default, 15 s
/// (`constructSdsSecretConfig` in `pkg/model/authentication.go`).
fn file_secret(name: &str) -> Value {
    json!({"name": name, "sds_config": {"ads": {}, "resource_api_version": "V3"}})
}

fn file_pair(certificate: &str, key: &str) -> Value {
    file_secret(&format!("file-cert:{certificate}~{key}"))
}

fn file_root(authorities: &str) -> Value {
    file_secret(&format!("{FILE_ROOT}{authorities}"))
}

/// A credential of the user's: waited for as long as Envoy does by default, 15 s.
///
/// `builtin://` is the workload's own certificate, under the names that it always has. `sds://` asks a
/// server of the user's own in the pod; without one, as here, it is a Secret like any other
/// (`pilot/pkg/security/model/authentication.go`).
fn credential_secret(name: &str) -> Value {
    match name.strip_prefix(BUILTIN) {
        Some("") => return mesh_secret(WORKLOAD),
        Some(CA_SUFFIX) => return mesh_secret(ROOT),
        _ => {}
    }
    let name = name.strip_prefix("sds://").unwrap_or(name);
    let name = if name.starts_with(CREDENTIAL) || name.starts_with(CONFIG_MAP) {
        name.to_owned()
    } else {
        format!("{CREDENTIAL}{name}")
    };
    json!({"name": name, "sds_config": {"ads": {}, "resource_api_version": "V3"}})
}

fn exactly(names: &[String]) -> Vec<Value> {
    names.iter().map(|n| json!({"exact": n})).collect()
}

fn validation(context: Map<String, Value>, secret: Value) -> Value {
    Map::from_iter([
        ("default_validation_context".to_owned(), context.into()),
        ("validation_context_sds_secret_config".to_owned(), secret),
    ])
    .into()
}

fn names_context(matchers: Vec<Value>) -> Map<String, Value> {
    let mut context = Map::new();
    if !matchers.is_empty() {
        context.insert("match_subject_alt_names".into(), matchers.into());
    }
    context
}

/// What decides the TLS of a cluster.
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, each named at its one use"
)]
pub(crate) struct Upstream<'a> {
    /// `tls` of the rule.
    pub(crate) said: Option<&'a ClientTls>,
    /// Whether the rule has a workload selector.
    pub(crate) rule_has_selector: bool,
    /// Identities that the service's endpoints may have.
    pub(crate) identities: &'a [String],
    /// The SNI that Istio makes up.
    pub(crate) own_sni: String,
    /// Whether endpoints may speak mesh TLS though nobody said so.
    pub(crate) auto: bool,
    pub(crate) is_external: bool,
    pub(crate) is_http2: bool,
    pub(crate) is_original_dst: bool,
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
}

/// Sets the transport of a cluster: a rule's TLS, mesh TLS where the endpoint speaks it, or none.
pub(crate) fn set_upstream(
    cluster: &mut Map<String, Value>,
    scope: &View<'_>,
    upstream: &Upstream<'_>,
) {
    let context = match upstream.said {
        Some(tls) if tls.mode == ClientTlsMode::IstioMutual => {
            let sni = if tls.sni.is_empty() {
                &upstream.own_sni
            } else {
                &tls.sni
            };
            let names = tls
                .subject_alt_names
                .as_deref()
                .unwrap_or(upstream.identities);
            Some(mesh_client(sni, names, upstream.is_http2))
        }
        Some(tls) => origination(tls, scope, upstream),
        None if upstream.auto => {
            set_auto(cluster, upstream);
            None
        }
        None => None,
    };
    if let Some(context) = context {
        cluster.insert("transport_socket".into(), client_socket(context));
    }
    if let Some(said) = upstream.proxy_protocol {
        wrap_all(cluster, said);
    }
}

/// Puts the header of the PROXY protocol before whatever each transport sends
/// (`applyUpstreamProxyProtocol` in `pilot/pkg/networking/core/cluster_traffic_policy.go`).
fn wrap_all(cluster: &mut Map<String, Value>, said: ProxyProtocol) {
    if let Some(matches) = cluster.get_mut("transport_socket_matches") {
        for found in matches.as_array_mut().into_iter().flatten() {
            found["transport_socket"] = with_header(found["transport_socket"].take(), said);
        }
        return;
    }
    let inner = cluster.remove("transport_socket");
    let inner = inner.unwrap_or_else(super::envoy::raw_buffer);
    cluster.insert("transport_socket".into(), with_header(inner, said));
}

fn with_header(inner: Value, said: ProxyProtocol) -> Value {
    let config = match said.version {
        // The first version is the default.
        ProxyProtocolVersion::V1 => json!({}),
        ProxyProtocolVersion::V2 => json!({"version": "V2"}),
    };
    extension(
        "envoy.transport_sockets.upstream_proxy_protocol",
        "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        json!({"config": config, "transport_socket": inner}),
    )
}

fn client_socket(context: Value) -> Value {
    extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        context,
    )
}

fn set_auto(cluster: &mut Map<String, Value>, upstream: &Upstream<'_>) {
    let socket = client_socket(mesh_client(
        &upstream.own_sni,
        upstream.identities,
        upstream.is_http2,
    ));
    if upstream.is_original_dst {
        cluster.insert("transport_socket".into(), socket);
        return;
    }
    let matches = json!([
        {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": socket},
        {"name": "tlsMode-disabled", "match": {}, "transport_socket": super::envoy::raw_buffer()},
    ]);
    cluster.insert("transport_socket_matches".into(), matches);
}

fn client_versions() -> Value {
    json!({"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"})
}

/// Versions, and what the mesh says of TLS other than its own.
fn client_params(scope: &View<'_>) -> Value {
    let mut params = client_versions();
    let defaults = scope.mesh().tls_defaults();
    for (field, values) in [
        ("ecdh_curves", &defaults.ecdh_curves),
        ("cipher_suites", &defaults.cipher_suites),
    ] {
        if !values.is_empty() {
            params[field] = json!(values);
        }
    }
    params
}

/// Mesh TLS as a client.
fn mesh_client(sni: &str, names: &[String], is_http2: bool) -> Value {
    let mut alpn: Vec<&str> = MESH_ALPN.to_vec();
    if is_http2 {
        alpn.push("h2");
    }
    json!({
        "common_tls_context": {
            "tls_params": client_versions(),
            "alpn_protocols": alpn,
            "tls_certificate_sds_secret_configs": [mesh_secret(WORKLOAD)],
            "combined_validation_context": validation(names_context(exactly(names)), mesh_secret(ROOT)),
        },
        "sni": sni,
    })
}

/// TLS towards servers outside. A sidecar gets a credential only by a rule with a workload selector, and sends
/// plaintext otherwise; authorities in a `ConfigMap` are no secret.
fn origination(tls: &ClientTls, scope: &View<'_>, upstream: &Upstream<'_>) -> Option<Value> {
    if tls.mode == ClientTlsMode::Disable {
        return None;
    }
    let is_sidecar = scope.kind() == crate::objects::pod::ProxyKind::Sidecar;
    let name = &tls.credential_name;
    let is_private = !name.is_empty() && !name.starts_with(CONFIG_MAP);
    if is_private && is_sidecar && !upstream.rule_has_selector {
        return None;
    }
    let mut common = Map::new();
    common.insert("tls_params".into(), client_params(scope));
    if upstream.is_http2 {
        common.insert("alpn_protocols".into(), json!(["h2"]));
    }
    if tls.mode == ClientTlsMode::Mutual {
        let own = own_certificate(tls);
        common.insert("tls_certificate_sds_secret_configs".into(), json!([own]));
    }
    if !tls.insecure_skip_verify {
        let own: &[String] = tls.subject_alt_names.as_deref().unwrap_or_default();
        let names = if upstream.is_external && own.is_empty() {
            upstream.identities
        } else {
            own
        };
        let context = validation(names_context(exactly(names)), authorities(tls));
        common.insert("combined_validation_context".into(), context);
    }
    let mut context = Map::new();
    context.insert("common_tls_context".into(), common.into());
    if !tls.sni.is_empty() {
        context.insert("sni".into(), tls.sni.clone().into());
    }
    Some(context.into())
}

/// What the client shows of itself.
fn own_certificate(tls: &ClientTls) -> Value {
    if tls.credential_name.is_empty() {
        file_pair(&tls.client_certificate, &tls.private_key)
    } else {
        credential_secret(&tls.credential_name)
    }
}

/// Whom the client trusts; where nothing is said, whom the system trusts.
fn authorities(tls: &ClientTls) -> Value {
    if !tls.credential_name.is_empty() {
        credential_secret(&format!("{}{CA_SUFFIX}", tls.credential_name))
    } else if tls.ca_certificates.is_empty() {
        file_secret(SYSTEM_ROOTS)
    } else {
        file_root(&tls.ca_certificates)
    }
}
