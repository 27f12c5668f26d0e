//! Whom a client shows itself to, and whom it trusts.

use meshproof_mesh::ProxyConfig;
use serde_json::{Value, json};

use crate::build::{client, cluster, hosts, istio, of, pod, router};

fn outside(more: Value) -> Vec<Value> {
    let mut spec = json!({"hosts": ["db.example.com"], "resolution": "DNS",
        "ports": [{"number": 3306, "name": "tcp", "protocol": "TCP"}]});
    let (spec_map, Value::Object(more)) = (spec.as_object_mut().unwrap(), more) else {
        panic!("fields of the entry must be an object");
    };
    spec_map.extend(more);
    vec![
        pod("client", "default", "10.0.0.2"),
        router("gateway", "default", "10.0.0.3"),
        istio("ServiceEntry", "e", "default", spec),
    ]
}

fn with_tls(tls: Value) -> Vec<Value> {
    let mut objects = outside(json!({}));
    let rule = json!({"host": "db.example.com", "trafficPolicy": {"tls": tls}});
    objects.push(istio("DestinationRule", "r", "default", rule));
    objects
}

fn found(config: &ProxyConfig) -> &Value {
    cluster(config, "outbound|3306||db.example.com")
}

fn common(config: &ProxyConfig) -> &Value {
    &found(config)["transport_socket"]["typed_config"]["common_tls_context"]
}

fn authorities(config: &ProxyConfig) -> &Value {
    &common(config)["combined_validation_context"]["validation_context_sds_secret_config"]
}

/// `constructUpstreamTLS` in `pilot/pkg/networking/core/cluster_tls.go`: files are the proxy's own, at sidecars too;
/// Envoy's default says how long they are waited for (`pkg/model/authentication.go`).
#[test]
fn certificates_in_files() {
    let mutual = json!({"mode": "MUTUAL", "clientCertificate": "/c/tls.crt", "privateKey": "/c/tls.key",
        "caCertificates": "/c/ca.crt", "sni": "db.example.com"});
    for name in ["client", "gateway"] {
        let config = of(name, "default", with_tls(mutual.clone()));
        let pair = &common(&config)["tls_certificate_sds_secret_configs"][0];
        assert_eq!(pair["name"], "file-cert:/c/tls.crt~/c/tls.key");
        assert_eq!(authorities(&config)["name"], "file-root:/c/ca.crt");
        for secret in [pair, authorities(&config)] {
            assert!(secret["sds_config"]["initial_fetch_timeout"].is_null());
        }
    }
    let mut no_authorities = mutual;
    no_authorities
        .as_object_mut()
        .unwrap()
        .remove("caCertificates");
    let config = client(with_tls(no_authorities));
    assert_eq!(authorities(&config)["name"], "file-root:system");
    assert!(authorities(&config)["sds_config"]["initial_fetch_timeout"].is_null());
}

/// `buildUpstreamClusterTLSContext`: authorities in a `ConfigMap` are for every sidecar, a Secret is for those that a
/// rule selects.
#[test]
fn authorities_in_a_config_map_are_no_secret() {
    let simple = |name: &str| client(with_tls(json!({"mode": "SIMPLE", "credentialName": name})));
    let config = simple("configmap://default/ca");
    assert_eq!(
        authorities(&config)["name"],
        "configmap://default/ca-cacert"
    );
    assert!(found(&simple("ca"))["transport_socket"].is_null());
}

/// No names are the same as a list of none: those of the service hold (`buildUpstreamTLSSettings`).
#[test]
fn an_empty_list_of_names_is_none() {
    let inside = json!({"location": "MESH_INTERNAL", "subjectAltNames": ["spiffe://a/ns/b/sa/c"]});
    let mut objects = outside(inside);
    let tls = json!({"mode": "ISTIO_MUTUAL", "subjectAltNames": []});
    let rule = json!({"host": "db.example.com", "trafficPolicy": {"tls": tls}});
    objects.push(istio("DestinationRule", "r", "default", rule));
    let config = client(objects);
    let names = &common(&config)["combined_validation_context"]["default_validation_context"];
    let want = json!([{"exact": "spiffe://a/ns/b/sa/c"}]);
    assert_eq!(names["match_subject_alt_names"], want);
}

/// `buildEnvoyLbEndpoint` in `pilot/pkg/xds/endpoints/endpoint_builder.go`: endpoints that are looked up say too
/// whether they speak mesh TLS; without the mark their cluster would send plaintext.
#[test]
fn looked_up_endpoints_say_whether_they_speak_mesh_tls() {
    let endpoints =
        json!([{"address": "a.example.com", "serviceAccount": "db"}, {"address": "b.example.com"}]);
    let objects = outside(json!({"location": "MESH_INTERNAL", "endpoints": endpoints}));
    let config = client(objects);
    assert!(found(&config)["transport_socket_matches"].is_array());
    let marked: Vec<bool> = hosts(&found(&config)["load_assignment"])
        .map(|h| {
            h["metadata"]["filter_metadata"]["envoy.transport_socket_match"]["tlsMode"] == "istio"
        })
        .collect();
    assert_eq!(marked, [true, false]);
}
