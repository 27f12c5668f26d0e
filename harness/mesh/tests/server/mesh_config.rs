//! The mesh configuration (`pkg/config/mesh/mesh.go`, `pkg/config/validation/agent/validation.go`).

use meshproof_mesh::MeshConfig;
use serde_json::json;

use crate::{cluster, compiled, istio, named};

#[test]
fn keepalive_of_the_mesh_reaches_every_cluster_and_rules_add_to_it() {
    let mut objects = cluster();
    objects.push(istio(
        "DestinationRule",
        "r",
        json!({"host": "gw", "trafficPolicy": {"connectionPool": {"tcp": {"tcpKeepalive": {"time": "60s"}}}}}),
    ));
    let mesh = "tcpKeepalive: {probes: 3, time: 7200s, interval: 10s}";
    let config = compiled(mesh, objects, "mysql");
    let of = |name: &str| {
        named(&config.clusters, name)["upstream_connection_options"]["tcp_keepalive"].clone()
    };
    let mesh = json!({"keepalive_probes": 3, "keepalive_time": 7200, "keepalive_interval": 10});
    for name in [
        "PassthroughCluster",
        "InboundPassthroughCluster",
        "inbound|3306||",
        "outbound|3306||mysql.default.svc.cluster.local",
    ] {
        assert_eq!(of(name), mesh, "{name}");
    }
    assert_eq!(
        of("outbound|443||gw.default.svc.cluster.local")["keepalive_time"],
        60
    );
}

#[test]
fn what_cannot_be_is_refused_with_its_path() {
    for (text, what) in [
        ("meshMTLS: {ecdhCurves: [P-256]}", "meshMTLS.ecdhCurves: "),
        (
            "meshMTLS: {minProtocolVersion: TLSV1_1}",
            "meshMTLS.minProtocolVersion: ",
        ),
        ("trustDomain: ''", "trustDomain: must not be empty"),
        (
            "connectTimeout: 2h",
            "connectTimeout: 2h: must be between 1ms and 1h",
        ),
        ("connectTimeout: 0s", "connectTimeout: 0s: "),
        (
            "protocolDetectionTimeout: 1us",
            "protocolDetectionTimeout: 1us: ",
        ),
        (
            "defaultConfig: {interceptionMode: TPROXY}",
            "defaultConfig.interceptionMode: TPROXY",
        ),
        (
            "defaultConfig: {proxyMetadata: {ISTIO_META_DNS_CAPTURE: 'true'}}",
            "defaultConfig.proxyMetadata.ISTIO_META_DNS_CAPTURE: true",
        ),
        (
            "defaultConfig: {gatewayTopology: {proxyProtocol: {}, x: 1}}",
            "defaultConfig.gatewayTopology.x",
        ),
        (
            "extensionProviders: [{envoyFileAccessLog: {}}]",
            "extensionProviders[0].name: ",
        ),
        (
            "extensionProviders: [{name: a, prometheus: {}, zipkin: {}}]",
            "extensionProviders[0]: prometheus, zipkin: only one",
        ),
        (
            "extensionProviders: [{name: a, envoyFileAccessLog: {logFormat: {text: a, labels: {}}}}]",
            "extensionProviders[0].envoyFileAccessLog.logFormat: must have either",
        ),
        (
            "{extensionProviders: [{name: a, envoyOtelAls: {}}], defaultProviders: {accessLogging: [A]}}",
            "defaultProviders.accessLogging[0]: provider A, which writes to no file,",
        ),
    ] {
        let error = MeshConfig::from_yaml(text).unwrap_err().to_string();
        assert!(error.contains(what), "{text}: {error}");
    }
}

#[test]
fn what_decides_nothing_here_is_read_and_left_alone() {
    let mesh = MeshConfig::from_yaml(
        "trustDomainAliases: [z, a, z]
hboneIdleTimeout: 1h
defaultConfig:
  proxyMetadata: {ISTIO_META_DNS_CAPTURE: 'false', ANY: thing}
  gatewayTopology: {numTrustedProxies: 2}
  fileFlushInterval: 1s
extensionProviders:
- {name: otel, envoyOtelAls: {service: a.example.com, port: 1}}
- {name: zipkin, zipkin: {service: a.example.com, port: 1}}
",
    )
    .unwrap();
    assert_eq!(mesh.trust_domain_aliases(), ["a", "z"]);
}

#[test]
fn what_does_not_say_who_sees_it_is_seen_by_whom_the_mesh_says() {
    let elsewhere = |mut object: serde_json::Value| {
        object["metadata"]["namespace"] = "other".into();
        object
    };
    let mut objects = cluster();
    objects.push(elsewhere(crate::service("far", json!([{"port": 3306}]))));
    objects.push(elsewhere(istio(
        "DestinationRule",
        "r",
        json!({"host": "far", "subsets": [{"name": "s"}]}),
    )));
    let found = |mesh: &str, cluster: &str| {
        let config = compiled(mesh, objects.clone(), "mysql");
        !named(&config.clusters, cluster).is_null()
    };
    let far = "outbound|3306||far.other.svc.cluster.local";
    assert!(found("", far));
    assert!(!found("defaultServiceExportTo: ['.']", far));
    assert!(found("defaultServiceExportTo: [default]", far));
    let subset = "outbound|3306|s|far.other.svc.cluster.local";
    assert!(found("", subset));
    assert!(!found("defaultDestinationRuleExportTo: ['.']", subset));
    // istiod looks for `.` alone.
    assert!(found("defaultDestinationRuleExportTo: [nobody]", subset));
}

#[test]
fn routes_that_do_not_say_who_sees_them_are_seen_by_whom_the_mesh_says() {
    let objects = crate::with(vec![
        crate::gateway("a", json!([crate::server("t", "h.example.com")])),
        crate::route("v", "a"),
    ]);
    let serves = |mesh: &str| {
        let config = compiled(mesh, objects.clone(), "gw");
        !named(&config.listeners, "0.0.0.0_13306").is_null()
    };
    assert!(serves(""));
    assert!(serves("defaultVirtualServiceExportTo: ['.']"));
    assert!(!serves("defaultVirtualServiceExportTo: [other]"));
}
