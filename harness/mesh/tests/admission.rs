//! What admission says of resources that a cluster, Istio or the embedded mesh refuses.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, missing_docs)]

use meshproof_mesh::{ClusterFileError, MeshConfig, admit, compile_cluster_files};
use serde_json::{Value, json};

fn object(kind: &str, spec: Value) -> Value {
    let group = match kind {
        "PeerAuthentication" | "AuthorizationPolicy" | "RequestAuthentication" => {
            "security.istio.io/v1"
        }
        "Telemetry" => "telemetry.istio.io/v1",
        "EnvoyFilter" => "networking.istio.io/v1alpha3",
        _ => "networking.istio.io/v1",
    };
    json!({"apiVersion": group, "kind": kind, "metadata": {"name": "x", "namespace": "default"}, "spec": spec})
}

fn error(kind: &str, spec: Value) -> String {
    admit(&object(kind, spec), &MeshConfig::default())
        .error
        .unwrap_or_default()
}

#[test]
fn misspelt_fields_are_named_with_their_path() {
    let spec = json!({"serverz": [], "servers": [{"port": {"number": 1, "name": "a", "protocol": "TCP", "nodePort": 2}, "hosts": ["*"]}]});
    assert_eq!(
        error("Gateway", spec),
        "Gateway in version \"v1\" cannot be handled as a Gateway: strict decoding error: unknown field \"spec.serverz\", unknown field \"spec.servers[0].port.nodePort\""
    );
    let mut top = object("PeerAuthentication", json!({}));
    top["sepc"] = json!({});
    let answer = admit(&top, &MeshConfig::default());
    assert!(
        answer
            .error
            .unwrap()
            .ends_with("strict decoding error: unknown field \"sepc\"")
    );
}

#[test]
fn wrong_types_and_values_are_named_with_their_path() {
    assert_eq!(
        error("PeerAuthentication", json!({"mtls": {"mode": "STRIKT"}})),
        "PeerAuthentication.security.istio.io \"x\" is invalid: spec.mtls.mode: Unsupported value: \"STRIKT\": supported values: \"UNSET\", \"DISABLE\", \"PERMISSIVE\", \"STRICT\""
    );
    let text = error(
        "DestinationRule",
        json!({"host": 3, "trafficPolicy": {"connectionPool": {"tcp": {"idleTimeout": "soon"}}}}),
    );
    assert!(
        text.contains(
            "spec.host: Invalid value: \"integer\": spec.host in body must be of type string"
        ),
        "{text}"
    );
    assert!(
        text.contains("spec.trafficPolicy.connectionPool.tcp.idleTimeout: Invalid value: \"soon\""),
        "{text}"
    );
}

#[test]
fn istio_refuses_in_its_own_words_and_name() {
    let text = error(
        "VirtualService",
        json!({"hosts": ["a.example.com"], "tcp": [{"route": [{"destination": {"host": "b"}, "weight": -1}]}]}),
    );
    assert_eq!(
        text,
        "admission webhook \"validation.istio.io\" denied the request: configuration is invalid: weight -1 < 0"
    );
    let tls = json!({"mode": "ISTIO_MUTUAL", "credentialName": "c"});
    let server = json!({"port": {"number": 443, "name": "t", "protocol": "TLS"}, "hosts": ["*"], "tls": tls});
    let text = error(
        "Gateway",
        json!({"selector": {"a": "b"}, "servers": [server]}),
    );
    assert!(
        text.ends_with("ISTIO_MUTUAL TLS cannot have associated credentialName"),
        "{text}"
    );
}

#[test]
fn what_the_embedded_mesh_lacks_is_refused_by_name() {
    let route = json!([{"destination": {"host": "b"}}]);
    for (kind, spec, what) in [
        (
            "VirtualService",
            json!({"hosts": ["a.example.com"], "http": [{"route": route}]}),
            "spec.http: not supported",
        ),
        (
            "DestinationRule",
            json!({"host": "a.example.com", "trafficPolicy": {"loadBalancer": {"consistentHash": {"useSourceIp": true}}}}),
            "spec.trafficPolicy.loadBalancer.consistentHash: not supported",
        ),
        (
            "Gateway",
            json!({"servers": [{"port": {"number": 80, "name": "h", "protocol": "HTTP"}, "hosts": ["*"]}]}),
            "spec.servers[0].port.protocol: HTTP is not supported",
        ),
        (
            "AuthorizationPolicy",
            json!({"action": "CUSTOM", "provider": {"name": "x"}, "rules": [{}]}),
            "spec.action: CUSTOM is not supported",
        ),
        ("EnvoyFilter", json!({}), "kind EnvoyFilter: not supported"),
    ] {
        let text = error(kind, spec);
        assert!(
            text.starts_with("admission webhook \"meshproof.dev\" denied the request: "),
            "{text}"
        );
        assert!(text.contains(what), "{text}");
    }
}

#[test]
fn versions_and_kinds_that_do_not_exist_are_refused() {
    let mut gateway = object("Gateway", json!({}));
    gateway["apiVersion"] = "networking.istio.io/v2".into();
    let text = admit(&gateway, &MeshConfig::default()).error.unwrap();
    assert_eq!(
        text,
        "no matches for kind \"Gateway\" in version \"networking.istio.io/v2\""
    );
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"whatever": 1}});
    assert_eq!(admit(&pod, &MeshConfig::default()).error, None);
}

#[test]
fn mesh_configuration_fields_are_judged_too() {
    let error = |text: &str| MeshConfig::from_yaml(text).unwrap_err().to_string();
    assert_eq!(
        error("accessLogFil: /dev/stdout"),
        "mesh configuration: unknown field \"accessLogFil\""
    );
    assert!(
        error("meshMTLS: {minProtocolVersion: TLSV1_3}")
            .contains("meshMTLS: not supported by the embedded mesh")
    );
    assert!(error("accessLogFile: 3").contains("accessLogFile: Invalid value: \"integer\""));
    assert!(error("a: [").contains("line 1"));
    let mesh = MeshConfig::from_yaml("# nothing\n").unwrap();
    assert_eq!(
        (mesh.trust_domain(), mesh.access_log_file()),
        ("cluster.local", None)
    );
}

#[test]
fn bad_cluster_files_name_the_place() {
    let compile = |text: &str| compile_cluster_files("c.yaml", text, MeshConfig::default());
    let good = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n---\n";
    let error = compile(&format!("{good}apiVersion: v1\nkind: [\n")).unwrap_err();
    let ClusterFileError::Yaml { line, .. } = &error else {
        panic!("{error}")
    };
    assert!((7..=8).contains(line), "{error}");
    let error = compile(&format!("{good}\n# a comment\nkind: Pod\n")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "c.yaml:8:1: not a Kubernetes object: apiVersion is missing"
    );
    let error = compile("a: 1\na: 2\n").unwrap_err();
    assert!(error.to_string().starts_with("c.yaml:2:1: "), "{error}");
    assert_eq!(compile("").unwrap().len(), 1);
}

#[test]
fn private_keys_are_in_no_output() {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/oracle/cases/client-tutorial/cluster.yaml"
    ))
    .unwrap();
    for (name, value) in compile_cluster_files("c.yaml", &text, MeshConfig::default()).unwrap() {
        assert!(!value.to_string().contains("not a real"), "{name}");
    }
}
