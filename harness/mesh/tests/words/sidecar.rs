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

/// `ValidateSidecar`, `validateSidecarIngressPortAndBind`.
#[test]
fn ingress_of_sidecars() {
    let listener = |more: serde_json::Value| {
        let mut said = json!({"port": {"number": 3306, "protocol": "TCP", "name": "t"}});
        for (key, value) in more.as_object().unwrap() {
            said[key] = value.clone();
        }
        json!({"ingress": [said]})
    };
    let to = |endpoint: &str| listener(json!({"defaultEndpoint": endpoint}));
    let forms = "sidecar: defaultEndpoint must be of form 127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,[::]:port,unix://filepath or unset";
    let no_number = "sidecar: defaultEndpoint port () is not a number: strconv.Atoi: parsing \"\": invalid syntax";
    for (spec, want) in [
        (to("127.0.0.1:3307"), String::new()),
        (to("0.0.0.0:3307"), String::new()),
        (to("[::1]:3307"), String::new()),
        (to(":3307"), String::new()),
        (to("10.0.0.1:3307"), forms.to_owned()),
        (
            to("localhost"),
            many(&["address localhost: missing port in address", no_number]),
        ),
        (
            to("::1:3307"),
            many(&["address ::1:3307: too many colons in address", no_number]),
        ),
        (
            to("[::1]"),
            many(&["address [::1]: missing port in address", no_number]),
        ),
        (
            to("127.0.0.1:0"),
            "port number 0 must be in the range 1..65535".into(),
        ),
        (
            to("127.0.0.1:x"),
            "sidecar: defaultEndpoint port (x) is not a number: strconv.Atoi: parsing \"x\": invalid syntax".into(),
        ),
        (to("unix://a"), "a is not an absolute path to a file".into()),
        (
            listener(json!({"bind": "a.b"})),
            "a.b is not a valid IP".into(),
        ),
        (
            listener(json!({"connectionPool": {}})),
            "connection pool must have at least one field".into(),
        ),
    ] {
        says("Sidecar", spec, &want);
    }
    warns(
        "Sidecar",
        listener(json!({"connectionPool": {"http": {"maxRetries": 1}}})),
        &[
            "sidecar: HTTP connection pool settings are configured for port 3306 (\"t\") but its protocol is not HTTP (TCP); only TCP settings will apply",
        ],
    );
}
