//! TLS of the accepting side (`pilot/pkg/networking/core/listener.go`,
//! `pilot/pkg/security/model/authentication.go`).

use serde_json::{Value, json};

use crate::{MESH, chains, cluster, compiled, context, gateway, route, server, with};

/// The compiled TLS context of a server with these TLS settings.
fn of(mesh: &str, tls: Value) -> Value {
    let mut server = server("t", "h.example.com");
    server["tls"] = tls;
    let objects = with(vec![gateway("a", json!([server])), route("v", "a")]);
    context(&compiled(mesh, objects, "gw")).clone()
}

fn secret_names(context: &Value) -> Vec<&str> {
    let common = &context["common_tls_context"];
    let certificates = common["tls_certificate_sds_secret_configs"]
        .as_array()
        .unwrap();
    let authorities =
        &common["combined_validation_context"]["validation_context_sds_secret_config"];
    certificates
        .iter()
        .chain([authorities])
        .filter_map(|s| s["name"].as_str())
        .collect()
}

#[test]
fn several_certificates_and_the_first_ones_authorities() {
    let context = of(
        MESH,
        json!({"mode": "MUTUAL", "credentialNames": ["rsa", "ecdsa"]}),
    );
    assert_eq!(
        secret_names(&context),
        [
            "kubernetes://rsa",
            "kubernetes://ecdsa",
            "kubernetes://rsa-cacert"
        ]
    );
}

#[test]
fn authorities_by_a_name_of_their_own() {
    let tls = |name: &str| json!({"mode": "OPTIONAL_MUTUAL", "credentialName": "c", "caCertCredentialName": name});
    let context = of(MESH, tls("clients-cacert"));
    assert_eq!(
        secret_names(&context),
        ["kubernetes://c", "kubernetes://clients-cacert"]
    );
    assert_eq!(context["require_client_certificate"], false);
    let context = of(MESH, tls("configmap://trust/clients"));
    assert_eq!(secret_names(&context)[1], "configmap://trust/clients");
}

#[test]
fn credentials_of_other_kinds() {
    let tls = |name: &str| json!({"mode": "MUTUAL", "credentialName": name});
    assert_eq!(
        secret_names(&of(MESH, tls("builtin://"))),
        ["default", "ROOTCA"]
    );
    assert_eq!(
        secret_names(&of(MESH, tls("sds://c"))),
        ["kubernetes://c", "kubernetes://c-cacert"]
    );
    assert_eq!(
        secret_names(&of(MESH, tls("kubernetes://c"))),
        ["kubernetes://c", "kubernetes://c-cacert"]
    );
}

#[test]
fn an_unverified_client_certificate_is_still_asked_for() {
    let context = of(
        MESH,
        json!({"mode": "MUTUAL", "credentialName": "c", "insecureSkipVerify": true}),
    );
    assert_eq!(context["require_client_certificate"], true);
    let validation = &context["common_tls_context"]["combined_validation_context"];
    assert_eq!(
        validation["default_validation_context"]["trust_chain_verification"],
        "ACCEPT_UNTRUSTED"
    );
}

#[test]
fn a_servers_own_words_stand_over_the_meshs_defaults() {
    let mesh = "tlsDefaults: {minProtocolVersion: TLSV1_3, cipherSuites: [AES128-SHA], ecdhCurves: [P-256]}";
    let params = |tls: Value| of(mesh, tls)["common_tls_context"]["tls_params"].clone();
    assert_eq!(
        params(json!({"mode": "SIMPLE", "credentialName": "c"})),
        json!({"tls_minimum_protocol_version": "TLSv1_3", "cipher_suites": ["AES128-SHA"], "ecdh_curves": ["P-256"]})
    );
    let own = json!({"mode": "SIMPLE", "credentialName": "c", "minProtocolVersion": "TLSV1_2",
        "cipherSuites": ["AES256-SHA", "nonsense", "AES256-SHA"], "ecdhCurves": ["X25519"]});
    assert_eq!(
        params(own),
        json!({"tls_minimum_protocol_version": "TLSv1_2", "cipher_suites": ["AES256-SHA"], "ecdh_curves": ["X25519"]})
    );
    // Mesh TLS at a gateway has neither.
    assert_eq!(params(json!({"mode": "ISTIO_MUTUAL"})), Value::Null);
}

#[test]
fn mesh_tls_by_the_mesh_configuration() {
    let mesh =
        "meshMTLS: {minProtocolVersion: TLSV1_3, cipherSuites: [ECDHE-RSA-AES256-GCM-SHA384]}";
    let config = compiled(mesh, cluster(), "mysql");
    let own = chains(&config, "virtualInbound")
        .iter()
        .find(|c| c["name"] == "0.0.0.0_3306" && !c["transport_socket"].is_null())
        .unwrap();
    assert_eq!(
        own["transport_socket"]["typed_config"]["common_tls_context"]["tls_params"],
        json!({"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3",
            "cipher_suites": ["ECDHE-RSA-AES256-GCM-SHA384"]})
    );
}
