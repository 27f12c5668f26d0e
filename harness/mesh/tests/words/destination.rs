//! `DestinationRule`, and `exportTo` of all kinds.

use serde_json::{Value, json};

use super::{many, says};

fn rule(policy: Value) -> Value {
    json!({"host": "a.b", "trafficPolicy": policy})
}

/// `ValidateDestinationRule`, `validateTrafficPolicy`, `validateOutlierDetection`,
/// `validateConnectionPool`, `validatePortTrafficPolicies`, `validateSubset`, `labels.Instance.Validate`.
#[test]
fn destination_rules() {
    let soon = "duration must be greater than 1ms";
    for (spec, want) in [
        (
            json!({"host": ""}),
            "empty domain name not allowed".to_owned(),
        ),
        (
            rule(json!({})),
            "traffic policy must have at least one field".into(),
        ),
        // A list without items is no list to Istio.
        (
            rule(json!({"portLevelSettings": []})),
            "traffic policy must have at least one field".into(),
        ),
        (
            rule(json!({"portLevelSettings": [{}]})),
            many(&[
                "portTrafficPolicy must have valid port",
                "port traffic policy must have at least one field",
            ]),
        ),
        (
            rule(json!({"connectionPool": {}})),
            "connection pool must have at least one field".into(),
        ),
        (
            rule(
                json!({"connectionPool": {"tcp": {"maxConnections": -1, "connectTimeout": "0s", "idleTimeout": "0s"}}}),
            ),
            many(&["max connections must be non-negative", soon]),
        ),
        (
            rule(
                json!({"connectionPool": {"tcp": {"tcpKeepalive": {"time": "1.0005s", "interval": "1us"}}}}),
            ),
            many(&["only durations to ms precision are supported", soon]),
        ),
        (
            rule(
                json!({"connectionPool": {"http": {"maxRetries": -1, "http2KeepAlive": {"timeout": "1s"}}}}),
            ),
            many(&[
                "max retries must be non-negative",
                "http2 keepalive interval is required",
            ]),
        ),
        (
            rule(
                json!({"outlierDetection": {"consecutiveLocalOriginFailures": 1, "maxEjectionPercent": 101, "minHealthPercent": -1}}),
            ),
            many(&[
                "outlier detection consecutive local origin failures is specified, but split external local origin errors is set to false",
                "percentage 101 is not in range 0..100",
                "percentage -1 is not in range 0..100",
            ]),
        ),
        (
            rule(json!({"tunnel": {"targetHost": "a.1", "targetPort": 0, "protocol": "GET"}})),
            many(&[
                "tunnel protocol must be \"CONNECT\" or \"POST\"",
                "tunnel target host must be valid FQDN or IP address: domain name \"a.1\" invalid (top level domain \"1\" cannot be all-numeric); a.1 is not a valid IP",
                "tunnel target port is invalid: port number 0 must be in the range 1..65535",
            ]),
        ),
        (
            rule(json!({"tunnel": {}, "proxyProtocol": {}})),
            "tunnel and proxyProtocol must not be set together".into(),
        ),
        (
            json!({"host": "a.b", "subsets": [{"name": ""}]}),
            "subset name cannot be empty".into(),
        ),
        (
            json!({"host": "a.b", "subsets": [{"name": "a.b"}]}),
            "subset name is invalid: a.b".into(),
        ),
        (
            json!({"host": "a.b", "subsets": [{"name": "a"}, {"name": "a"}]}),
            "duplicate subset names: a".into(),
        ),
        // The check of labels makes a list of one.
        (
            json!({"host": "a.b", "subsets": [{"name": "a", "labels": {"a b": "c"}}]}),
            many(&["invalid tag key: \"a b\""]),
        ),
        (
            json!({"host": "a.b", "subsets": [{"name": "a", "labels": {"a": "-", "x/y": ""}}]}),
            many(&["invalid tag value: \"-\""]),
        ),
    ] {
        says("DestinationRule", spec, &want);
    }
}

/// `agent.ValidateTLS`.
#[test]
fn client_tls() {
    let files =
        "cannot specify client certificates or CA certificate or CA CRL If credentialName is set";
    for (settings, want) in [
        (json!({"mode": "MUTUAL"}), many(&[
            "client certificate required for mutual tls",
            "private key required for mutual tls",
        ])),
        (json!({"mode": "MUTUAL", "credentialName": "c", "caCertificates": "d"}), files.to_owned()),
        (
            json!({"mode": "SIMPLE", "insecureSkipVerify": true, "subjectAltNames": ["a"]}),
            "cannot specify CaCertificates or CredentialName or SubjectAltNames when InsecureSkipVerify is set true".into(),
        ),
        (json!({"mode": "MUTUAL", "insecureSkipVerify": true, "caCertificates": "a", "credentialName": "c"}), many(&[
            "cannot specify CaCertificates or SubjectAltNames when InsecureSkipVerify is set true",
            files,
        ])),
        (
            json!({"mode": "SIMPLE", "credentialName": "configmap://other/c"}),
            "invalid configmap:// credentialName: namespace must match the configuration namespace \"ns\"".into(),
        ),
        (
            json!({"mode": "SIMPLE", "credentialName": "configmap://c"}),
            "invalid configmap:// credentialName: invalid resource name \"configmap://c\". Expected namespace and name".into(),
        ),
        (json!({"mode": "ISTIO_MUTUAL", "credentialName": "c"}), String::new()),
    ] {
        says("DestinationRule", rule(json!({"tls": settings})), &want);
    }
}

/// `validateExportTo`.
#[test]
fn export_to() {
    for (list, want) in [
        (
            json!([".", "ns"]),
            "duplicate entries in exportTo for entry ns",
        ),
        (
            json!(["ns", "."]),
            "duplicate entries in exportTo: . and current namespace ns",
        ),
        (
            json!(["*", "ns"]),
            "cannot have both public (*) and non-public exportTo values for a resource",
        ),
        (
            json!(["~"]),
            "exportTo ~ (none) is not allowed for Istio configuration objects",
        ),
        (
            json!(["a.b"]),
            "only .,*, or a valid DNS 1123 label is allowed as exportTo entry",
        ),
    ] {
        says(
            "DestinationRule",
            json!({"host": "a.b", "exportTo": list}),
            want,
        );
    }
    let selected = |list: Value| json!({"host": "a.b", "exportTo": list, "workloadSelector": {"matchLabels": {"a": "b"}}});
    says(
        "DestinationRule",
        selected(json!(["other"])),
        "destination rule with workload selector cannot have exportTo beyond current namespace",
    );
    says(
        "DestinationRule",
        selected(json!([".", "b"])),
        "destination rule with workload selector cannot have multiple entries in exportTo",
    );
    let entry = |list: Value| json!({"hosts": ["a.b"], "exportTo": list});
    says("ServiceEntry", entry(json!(["~"])), "");
    says(
        "ServiceEntry",
        entry(json!(["~", "b"])),
        "cannot export service entry to no one (~) and someone",
    );
}
