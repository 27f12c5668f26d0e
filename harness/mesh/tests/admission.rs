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

const UNCHECKED: &str = "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

#[test]
fn wrong_types_and_values_are_named_with_their_path() {
    for (kind, spec, want) in [
        (
            "PeerAuthentication",
            json!({"mtls": {"mode": "STRIKT"}}),
            "PeerAuthentication.security.istio.io \"x\" is invalid: [spec.mtls.mode: Unsupported value: \"STRIKT\": supported values: \"UNSET\", \"DISABLE\", \"PERMISSIVE\", \"STRICT\", UNCHECKED]",
        ),
        (
            "DestinationRule",
            json!({"host": 3, "trafficPolicy": {"connectionPool": {"tcp": {"idleTimeout": "soon", "maxConnections": 2_147_483_648_u32}}}}),
            "DestinationRule.networking.istio.io \"x\" is invalid: [spec.host: Invalid value: \"integer\": spec.host in body must be of type string: \"integer\", spec.trafficPolicy.connectionPool.tcp.idleTimeout: Invalid value: \"soon\": must be a duration such as 10s or 1m30s, <nil>: Invalid value: \"\": Checked value must be of type integer with format int32 in spec.trafficPolicy.connectionPool.tcp.maxConnections, UNCHECKED]",
        ),
        (
            "VirtualService",
            json!({"tcp": [{"match": [{"port": -1}, {"port": 4_294_967_296_i64}]}]}),
            "VirtualService.networking.istio.io \"x\" is invalid: [spec.tcp[0].match[0].port: Invalid value: -1: spec.tcp[0].match[0].port in body should be greater than or equal to 0, spec.tcp[0].match[1].port: Invalid value: 4294967296: spec.tcp[0].match[1].port in body should be less than or equal to 4294967295]",
        ),
        (
            "ServiceEntry",
            json!({"hosts": ["x".repeat(300)], "addresses": ["1".repeat(65)], "workloadSelector": {"labels": {"a": "b".repeat(64)}}}),
            "ServiceEntry.networking.istio.io \"x\" is invalid: [spec.addresses[0]: Too long: may not be more than 64 bytes, spec.workloadSelector.labels.a: Too long: may not be more than 63 bytes, UNCHECKED]",
        ),
        (
            "ServiceEntry",
            json!({"hosts": []}),
            "ServiceEntry.networking.istio.io \"x\" is invalid: spec.hosts: Invalid value: 0: spec.hosts in body should have at least 1 items",
        ),
        (
            "ServiceEntry",
            json!({"hosts": ["*"], "ports": [{"name": "a", "number": 0}, {"name": "a", "number": 1}]}),
            "ServiceEntry.networking.istio.io \"x\" is invalid: [spec.ports[1]: Duplicate value: {\"name\":\"a\"}, spec.hosts[0]: Invalid value: \"*\": hostname cannot be wildcard, spec.ports[0].number: Invalid value: 0: port must be between 1-65535]",
        ),
        (
            "PeerAuthentication",
            json!({"portLevelMtls": {"80": {}}}),
            "PeerAuthentication.security.istio.io \"x\" is invalid: spec: Invalid value: portLevelMtls requires selector",
        ),
        (
            "DestinationRule",
            json!({"host": "a.b", "trafficPolicy": {"portLevelSettings": [{"port": {"number": 1}, "connectionPool": {"tcp": {"connectTimeout": "0.5ms"}}}]}}),
            "DestinationRule.networking.istio.io \"x\" is invalid: spec.trafficPolicy.portLevelSettings[0].connectionPool.tcp.connectTimeout: Invalid value: \"0.5ms\": must be a valid duration greater than 1ms",
        ),
    ] {
        assert_eq!(error(kind, spec), want.replace("UNCHECKED", UNCHECKED));
    }
}

/// Recorded from kube-apiserver with Istio's schemas; the requests are creations of Istio's kinds.
#[test]
fn fields_are_refused_as_a_recorded_api_server_refuses_them() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../pocket/api/tests/data/exchanges.jsonl"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let mut seen = 0;
    for line in text.lines() {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let (request, body) = (&exchange["request"], &exchange["response"]["body"]);
        let path = request["path"].as_str().unwrap();
        let message = body["message"].as_str().unwrap_or_default();
        let judged = message.contains(" is invalid: ") || message.contains("strict decoding");
        if !path.contains(".istio.io/") || request["method"] != "POST" || !judged {
            continue;
        }
        let answer = admit(&request["body"], &MeshConfig::default());
        assert_eq!(answer.error.as_deref(), Some(message));
        let causes: Vec<Value> = answer
            .causes
            .iter()
            .map(|c| json!({"reason": c.reason, "field": c.field, "message": c.message}))
            .collect();
        let want = body["details"]["causes"].as_array().cloned();
        assert_eq!(causes, want.unwrap_or_default(), "{message}");
        seen += 1;
    }
    assert_eq!(seen, 4, "exchanges that refuse fields of Istio's kinds");
}

#[test]
fn the_api_server_speaks_before_the_webhook() {
    let refused = json!({"hosts": [], "ports": [{"name": "a", "number": 1}]});
    let answer = admit(&object("ServiceEntry", refused), &MeshConfig::default());
    assert!(answer.error.unwrap().contains("at least 1 items"));
    assert_eq!(answer.causes.len(), 1);
    let mut other = object("Gateway", json!({"servers": [{"prot": 1}]}));
    other["metadata"]["name"] = "a.b".into();
    let answer = admit(&other, &MeshConfig::default());
    assert!(
        answer
            .error
            .unwrap()
            .contains("unknown field \"spec.servers[0].prot\"")
    );
    assert!(answer.causes.is_empty(), "a strict error is no 422");
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
            json!({"host": "a.example.com", "trafficPolicy": {"loadBalancer": {"zoneAwareLbSetting": {"enabled": true}}}}),
            "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting: not supported",
        ),
        (
            "Gateway",
            json!({"servers": [{"port": {"number": 443, "name": "h", "protocol": "TLS"}, "hosts": ["*"], "tls": {"mode": "AUTO_PASSTHROUGH"}}]}),
            "spec.servers[0].tls.mode: AUTO_PASSTHROUGH is not supported",
        ),
        (
            "Gateway",
            json!({"servers": [{"port": {"number": 443, "name": "h", "protocol": "TLS"}, "hosts": ["*"],
                "tls": {"mode": "MUTUAL", "credentialNames": ["a", "vault://b"]}}]}),
            "spec.servers[0].tls.credentialNames[1]: vault://b is not supported",
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
        error("h2UpgradePolicy: UPGRADE")
            .contains("h2UpgradePolicy: not supported by the embedded mesh")
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
