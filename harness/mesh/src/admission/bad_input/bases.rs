//! Good specs to spoil, and what may be accepted.

use serde_json::{Value, json};

/// A good spec of the kind.
pub(super) fn spec(kind: &str) -> Value {
    match kind {
        "Gateway" => json!({
            "selector": {"app": "gateway"},
            "servers": [{
                "port": {"number": 443, "name": "t", "protocol": "TLS"}, "hosts": ["a.example.com"],
                "tls": {"mode": "MUTUAL", "credentialName": "c"},
            }],
        }),
        "VirtualService" => json!({
            "hosts": ["a.example.com"], "gateways": ["g", "mesh"],
            "tls": [{
                "match": [{"sniHosts": ["a.example.com"], "port": 443}],
                "route": [{"destination": {"host": "a.example.com", "port": {"number": 443}}, "weight": 1}],
            }],
            "tcp": [{
                "match": [{"port": 3306}],
                "route": [{"destination": {"host": "a.example.com", "port": {"number": 443}}}],
            }],
        }),
        "ServiceEntry" => json!({
            "hosts": ["a.example.com"], "addresses": ["203.0.113.1"], "resolution": "STATIC",
            "ports": [{"number": 443, "name": "80", "protocol": "TLS", "targetPort": 443}],
            "endpoints": [{"address": "203.0.113.2", "ports": {"80": 443}, "weight": 1}],
        }),
        "WorkloadEntry" => json!({"address": "203.0.113.2", "ports": {"tls": 443}, "weight": 1}),
        "DestinationRule" => json!({
            "host": "mysql.default.svc.cluster.local",
            "trafficPolicy": {
                "connectionPool": {"tcp": {"maxConnections": 1}},
                "portLevelSettings": [{"port": {"number": 3306}, "tls": {"mode": "ISTIO_MUTUAL"}}],
            },
            "subsets": [{
                "name": "s", "labels": {"a": "b"},
                "trafficPolicy": {"portLevelSettings": [{"port": {"number": 3306}, "tls": {"mode": "DISABLE"}}]},
            }],
        }),
        "Sidecar" => json!({"egress": [{"hosts": ["*/*"]}]}),
        "PeerAuthentication" => json!({
            "selector": {"matchLabels": {"app": "mysql"}}, "portLevelMtls": {"80": {"mode": "STRICT"}},
        }),
        "AuthorizationPolicy" => json!({
            "rules": [{
                "from": [{"source": {"principals": ["*"]}}], "to": [{"operation": {"ports": ["3306"]}}],
                "when": [{"key": "source.ip", "values": ["10.0.0.0/8"]}],
            }],
        }),
        "Telemetry" => json!({"accessLogging": [{"providers": [{"name": "envoy"}]}]}),
        other => panic!("no base for {other}"),
    }
}

/// A gateway, a client and a server with a Service.
pub(super) fn cluster() -> Vec<Value> {
    let pod = |name: &str, ip: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
            "spec": {"containers": [{"name": "istio-proxy", "image": "proxy"}]},
            "status": {"podIP": ip, "podIPs": [{"ip": ip}]},
        })
    };
    let mut gateway = pod("gateway", "10.0.0.1");
    gateway["spec"]["containers"][0]["args"] = json!(["proxy", "router"]);
    vec![
        gateway,
        pod("client", "10.0.0.2"),
        pod("mysql", "10.0.0.3"),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "mysql", "namespace": "default"},
            "spec": {"clusterIP": "10.1.0.1", "selector": {"app": "mysql"}, "ports": [{"name": "mysql", "port": 3306}]},
        }),
    ]
}

/// Ports where 0 says what leaving it out says (protobuf knows no difference).
pub(super) const ZERO_IS_UNSET: &[&str] =
    &["spec.tls[0].match[0].port", "spec.tcp[0].match[0].port"];

/// Ports of which Istio only asks that they are said: settings for one that no port has hold for none.
pub(super) const ANY_PORT: &[&str] = &[
    "spec.trafficPolicy.portLevelSettings[0].port.number",
    "spec.subsets[0].trafficPolicy.portLevelSettings[0].port.number",
];

const IDENTITY: &str = "a pattern for peers: Istio only asks that it is not empty";
const HTTP: &str = "of HTTP, without effect on TCP: Istio only asks that it is not empty";
const LABELS: &str = "labels that no workload has: neither size nor number is bounded";
const CERTIFICATE: &str = "compared with certificates, none of which has it";
const NAME: &str = "a name that nothing has: Istio looks for it and finds nothing";
const MANY: &str = "Istio does not count them, and equal ones do no harm";

/// Kind, field, and why it is accepted with a megabyte of text or with ten thousand items (or with both).
pub(super) const WITHOUT_BOUND: &[(&str, &str, &str)] = &[
    ("Gateway", "selector", LABELS),
    ("Gateway", "hosts", MANY),
    ("Gateway", "name", NAME),
    ("Gateway", "credentialName", NAME),
    (
        "Gateway",
        "ecdhCurves",
        "passed on as they are; Envoy refuses unknown ones",
    ),
    ("Gateway", "caCertCredentialName", NAME),
    ("Gateway", "serverCertificate", NAME),
    ("Gateway", "privateKey", NAME),
    ("Gateway", "caCertificates", NAME),
    ("Gateway", "subjectAltNames", CERTIFICATE),
    ("Gateway", "verifyCertificateSpki", CERTIFICATE),
    ("Gateway", "verifyCertificateHash", CERTIFICATE),
    (
        "Gateway",
        "cipherSuites",
        "unknown ones are left out, with a warning",
    ),
    ("VirtualService", "gateways", MANY),
    ("VirtualService", "match", "equal ones are warned of"),
    ("VirtualService", "sourceLabels", LABELS),
    ("VirtualService", "sourceNamespace", NAME),
    ("ServiceEntry", "labels", LABELS),
    ("ServiceEntry", "subjectAltNames", CERTIFICATE),
    ("DestinationRule", "credentialName", NAME),
    ("DestinationRule", "clientCertificate", NAME),
    ("DestinationRule", "privateKey", NAME),
    ("DestinationRule", "caCertificates", NAME),
    ("DestinationRule", "subjectAltNames", CERTIFICATE),
    ("DestinationRule", "sni", "sent as it is; no server has it"),
    ("DestinationRule", "labels", LABELS),
    ("DestinationRule", "httpHeaderName", HTTP),
    ("DestinationRule", "httpQueryParameterName", HTTP),
    ("DestinationRule", "from", NAME),
    ("DestinationRule", "to", NAME),
    ("DestinationRule", "failoverPriority", NAME),
    ("Sidecar", "bind", "without a port it is not looked at"),
    ("WorkloadEntry", "labels", LABELS),
    ("AuthorizationPolicy", "principals", IDENTITY),
    ("AuthorizationPolicy", "notPrincipals", IDENTITY),
    ("AuthorizationPolicy", "namespaces", IDENTITY),
    ("AuthorizationPolicy", "notNamespaces", IDENTITY),
    ("AuthorizationPolicy", "trustDomains", IDENTITY),
    ("AuthorizationPolicy", "notTrustDomains", IDENTITY),
    ("AuthorizationPolicy", "requestPrincipals", HTTP),
    ("AuthorizationPolicy", "notRequestPrincipals", HTTP),
    ("AuthorizationPolicy", "hosts", HTTP),
    ("AuthorizationPolicy", "notHosts", HTTP),
    ("AuthorizationPolicy", "methods", HTTP),
    ("AuthorizationPolicy", "notMethods", HTTP),
    ("AuthorizationPolicy", "paths", HTTP),
    ("AuthorizationPolicy", "notPaths", HTTP),
    ("Telemetry", "accessLogging", MANY),
    ("Telemetry", "metrics", MANY),
    ("Telemetry", "overrides", MANY),
    ("Telemetry", "customMetric", NAME),
    (
        "Telemetry",
        "tracing",
        "of several none but the first counts, with a warning",
    ),
    (
        "Telemetry",
        "value",
        "a tag of metrics or traces, which decide nothing",
    ),
    ("Telemetry", "name", NAME),
    ("Telemetry", "expression", "one long name is an expression"),
];
