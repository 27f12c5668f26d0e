//! `Sidecar`.

use serde_json::json;

use super::{many, says, warns};

/// `ValidateSidecar`, `validateSidecarEgressPortBindAndCaptureMode`, `validateSidecarOutboundTrafficPolicy`.
#[test]
fn sidecars() {
    let all = json!(["*/*"]);
    let port = |number: u32| json!({"number": number, "protocol": "TCP", "name": "t"});
    for (spec, want) in [
        (
            json!({}),
            "sidecar: empty configuration provided".to_owned(),
        ),
        (
            json!({"egress": [{"hosts": []}]}),
            "sidecar: egress listener must contain at least one host".into(),
        ),
        (
            json!({"egress": [{"hosts": ["a.b"]}]}),
            "host must be of form namespace/dnsName".into(),
        ),
        (
            json!({"egress": [{"hosts": ["n_s/a.b"]}]}),
            "invalid namespace value \"n_s\" in sidecar".into(),
        ),
        (
            json!({"egress": [{"hosts": ["ns/a_b.c"]}]}),
            many(&[
                "domain name \"a_b.c\" invalid (label \"a_b\" invalid)",
                "domain name \"a_b.c\" invalid (label \"a_b\" invalid)",
            ]),
        ),
        (
            json!({"egress": [{"hosts": all}, {"hosts": all}]}),
            "sidecar: the egress listener with empty port should be the last listener in the list"
                .into(),
        ),
        (
            json!({"egress": [{"hosts": all, "port": port(1)}, {"hosts": all, "port": port(1)}]}),
            "sidecar: ports on IP bound listeners must be unique".into(),
        ),
        (
            json!({"egress": [{"hosts": all, "port": {"number": 0, "protocol": "x"}, "captureMode": "IPTABLES"}]}),
            many(&[
                "unsupported protocol: x",
                "sidecar: ports with 0 value must have a unix domain socket bind address",
                "sidecar: captureMode must be DEFAULT/NONE for unix domain socket listeners",
            ]),
        ),
        (
            json!({"ingress": [{}]}),
            "sidecar: port is required for ingress listeners".into(),
        ),
        (
            json!({"inboundConnectionPool": {}}),
            "connection pool must have at least one field".into(),
        ),
        (
            json!({"outboundTrafficPolicy": {"egressProxy": {"host": "a.b"}}}),
            "sidecar: egress_proxy must be set only with ALLOW_ANY outbound_traffic_policy mode"
                .into(),
        ),
        (
            json!({"outboundTrafficPolicy": {"mode": "ALLOW_ANY", "egressProxy": {"host": "a.b"}}}),
            "sidecar: egress_proxy port must be non-nil".into(),
        ),
    ] {
        says("Sidecar", spec, &want);
    }
    warns(
        "Sidecar",
        json!({"egress": [{"hosts": ["*/*", "./a.b", "ns/a.b"]}]}),
        &[
            "duplicated egress host: ns/a.b",
            "`*/*` host select all resources, no other hosts can be added",
        ],
    );
}
