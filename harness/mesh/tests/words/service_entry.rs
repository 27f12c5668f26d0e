//! `ServiceEntry`.

use serde_json::{Value, json};

use super::{many, says, warns};

/// `ValidateServiceEntry`, `validateWorkloadEntry`, `ValidateUnixAddress`, `ValidateAlphaWorkloadSelector`.
#[test]
fn service_entries() {
    let port = json!([{"number": 80, "name": "t", "protocol": "TLS"}]);
    let with = |more: Value| {
        let mut spec = json!({"hosts": ["a.example.com"], "ports": port, "resolution": "STATIC"});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    };
    let endpoint = |e: Value| with(json!({"endpoints": [e]}));
    for (spec, want) in [
        (with(json!({"hosts": []})), "service entry must have at least one host".to_owned()),
        (with(json!({"hosts": ["*"]})), "invalid host *".into()),
        (with(json!({"addresses": ["10.0.0.0/33"]})), "10.0.0.0/33 is not a valid CIDR block".into()),
        (with(json!({"addresses": ["10.0.0.0/08"]})), "10.0.0.0/08 is not a valid CIDR block".into()),
        (with(json!({"addresses": ["a"]})), "a is not a valid IP".into()),
        (
            with(json!({"resolution": "DNS", "addresses": ["10.0.0.0/8"]})),
            "CIDR addresses are allowed only for NONE/STATIC resolution types".into(),
        ),
        (
            with(json!({"ports": [{"number": 1, "name": "a b", "protocol": "FTP", "targetPort": 70000}]})),
            many(&[
                "port number 70000 must be in the range 1..65535",
                "invalid port name: a b",
                "unsupported protocol: FTP",
            ]),
        ),
        (
            with(json!({"ports": [{"number": 1, "name": "a"}, {"number": 1, "name": "a"}]})),
            many(&["service entry port name \"a\" already defined", "service entry port 1 already defined"]),
        ),
        (endpoint(json!({})), "address is required".into()),
        (endpoint(json!({"address": "a.b"})), "endpoint address \"a.b\" is not a valid IP address".into()),
        (
            endpoint(json!({"address": "10.0.0.1", "ports": {"u": 1}})),
            "endpoint port 1 is not defined by the service entry".into(),
        ),
        (
            endpoint(json!({"address": "10.0.0.1", "labels": {"-": "b"}})),
            many(&["invalid tag key: \"-\""]),
        ),
        (endpoint(json!({"address": "unix://"})), "unix address must not be empty".into()),
        (
            endpoint(json!({"address": "unix://a/", "ports": {"t": 1}})),
            many(&["a/ is not an absolute path to a file", "unix endpoint unix://a/ must not include ports"]),
        ),
        (
            with(json!({"endpoints": [{"address": "unix:///a"}], "ports": []})),
            "exactly 1 service port required for unix endpoints".into(),
        ),
        (
            with(json!({"resolution": "NONE", "endpoints": [{"address": "10.0.0.1"}]})),
            "no endpoints should be provided for resolution type none".into(),
        ),
        (
            with(json!({"resolution": "DNS", "hosts": ["*.example.com"]})),
            "hosts must be FQDN or contain only prefix wildcards if no endpoints are provided for resolution mode DNS, domain name \"*.example.com\" invalid (label \"*\" invalid)".into(),
        ),
        (
            with(json!({"resolution": "DNS", "endpoints": [{"address": "a_b"}]})),
            "endpoint address \"a_b\" is not a valid FQDN or an IP address".into(),
        ),
        (
            with(json!({"resolution": "DNS_ROUND_ROBIN", "endpoints": [{"address": "a.b"}, {"address": "c.d"}]})),
            "there must only be 0 or 1 endpoint for resolution mode DNS_ROUND_ROBIN".into(),
        ),
        (
            with(json!({"hosts": ["a.b", "c.d"], "ports": [{"number": 1, "name": "t", "protocol": "TCP"}]})),
            "multiple hosts provided with non-HTTP, non-TLS ports".into(),
        ),
        (
            with(json!({"endpoints": [{"address": "10.0.0.1"}], "workloadSelector": {"labels": {"a": "b"}}})),
            "only one of WorkloadSelector or Endpoints is allowed in Service Entry".into(),
        ),
        // A bad selector ends the looking.
        (
            with(json!({"hosts": [], "workloadSelector": {"labels": {"": "*"}}})),
            many(&["empty key is not supported in selector: \"=*\"", "wildcard is not supported in selector: \"=*\""]),
        ),
        (
            with(json!({"resolution": "DYNAMIC_DNS", "addresses": ["10.0.0.1"], "ports": [{"number": 1, "name": "t", "protocol": "TCP"}]})),
            many(&[
                "host must be wildcarded for resolution mode DYNAMIC_DNS",
                "addresses cannot be set for resolution type DYNAMIC_DNS. HTTP route domains will only be generatedfrom the hosts field values",
                "only HTTP, TLS, GRPC, and HTTP2 protocols are supported for resolution type DYNAMIC_DNS",
            ]),
        ),
    ] {
        says("ServiceEntry", spec, &want);
    }
    let tcp = json!([{"number": 1, "name": "t", "protocol": "TCP"}]);
    let needs = "addresses are required for ports serving TCP (or unset) protocol when IP Autoallocation is not enabled";
    warns(
        "ServiceEntry",
        json!({"hosts": ["a.b"], "ports": tcp}),
        &[needs],
    );
    warns(
        "ServiceEntry",
        json!({"hosts": ["*.a.b"], "ports": tcp, "resolution": "STATIC"}),
        &[],
    );
    warns(
        "ServiceEntry",
        json!({"hosts": ["a.b"], "workloadSelector": {}}),
        &[
            "service entry: workload selector specified without labels, will be applied to all services in namespace",
            "workloadSelector should not be set when resolution mode is NONE",
        ],
    );
}

/// `ValidateWorkloadEntry`.
#[test]
fn workload_entries() {
    for (spec, want) in [
        (json!({}), "address is required".to_owned()),
        (
            json!({"address": "a_b"}),
            "endpoint address \"a_b\" is not a valid FQDN or an IP address".into(),
        ),
        (
            json!({"address": "a.b", "ports": {"a b": 0}}),
            many(&[
                "invalid port name: a b",
                "port number 0 must be in the range 1..65535",
            ]),
        ),
        (json!({"address": "a.b"}), String::new()),
    ] {
        says("WorkloadEntry", spec, &want);
    }
}
