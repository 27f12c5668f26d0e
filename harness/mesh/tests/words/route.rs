//! `VirtualService`.

use serde_json::{Value, json};

use super::{many, says, warns};

fn route(more: Value) -> Value {
    let mut spec = json!({"hosts": ["a.b"], "tcp": [{"route": [{"destination": {"host": "c"}}]}]});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

/// `ValidateVirtualService`, `validateTLSRoute`, `validateTLSMatch`, `validateSniHost`,
/// `validateTCPMatch`, `validateGatewayNames`, `validateRouteDestinations`, `validateDestination`.
#[test]
fn virtual_services() {
    let tcp = |r: Value| route(json!({ "tcp": [r] }));
    let matching = |m: Value| tcp(json!({"match": [m], "route": [{"destination": {"host": "c"}}]}));
    let sni = |hosts: Value, more: Value| {
        let mut spec = json!({"hosts": ["a.b"], "tls": [{"match": [{"sniHosts": hosts}], "route": [{"destination": {"host": "c"}}]}]});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    };
    for (spec, want) in [
        (json!({"hosts": ["a.b"]}), "http, tcp or tls must be provided in virtual service".to_owned()),
        (route(json!({"hosts": []})), "delegate virtual service must have no tcp route specified".into()),
        (
            route(json!({"hosts": ["*"]})),
            "wildcard host * is not allowed for virtual services bound to the mesh gateway".into(),
        ),
        (
            route(json!({"hosts": ["*.b", "a.b", "a.b"]})),
            many(&[
                "duplicate hosts in virtual service: *.b & a.b",
                "duplicate hosts in virtual service: *.b & a.b",
                "duplicate hosts in virtual service: a.b & a.b",
            ]),
        ),
        (tcp(json!({})), "TCP route is required".into()),
        (tcp(json!({"route": [{}]})), "destination is required".into()),
        (tcp(json!({"route": [{"destination": {"host": "*"}}]})), "invalid destination host *".into()),
        (
            tcp(json!({"route": [{"destination": {"host": "c", "subset": "a_b", "port": {}}, "weight": -1}]})),
            many(&["subset name is invalid: a_b", "port number 0 must be in the range 1..65535", "weight -1 < 0"]),
        ),
        (
            tcp(json!({"route": [{"destination": {"host": "c"}}, {"destination": {"host": "d"}}]})),
            "total destination weight = 0".into(),
        ),
        (
            matching(json!({"port": 65536, "destinationSubnets": ["10.0.0.0/8", "x"]})),
            many(&["x is not a valid IP", "port number 65536 must be in the range 1..65535"]),
        ),
        (matching(json!({"sourceLabels": {"a": "b c"}})), many(&["invalid tag value: \"b c\""])),
        (
            matching(json!({"gateways": ["a_b/"]})),
            many(&[
                "config namespace and gateway name cannot be empty",
                "invalid value for namespace: \"a_b\"",
                "invalid value for gateway name: \"\"",
            ]),
        ),
        (
            json!({"hosts": ["a.b"], "tls": [{}]}),
            many(&["TLS route must have at least one match condition", "TLS route is required"]),
        ),
        (sni(json!([]), json!({})), "TLS match must have at least one SNI host".into()),
        (
            sni(json!(["c.d"]), json!({"hosts": ["a.b", "*.e"]})),
            "SNI host \"c.d\" is not a compatible subset of any of the virtual service hosts: [a.b, *.e]".into(),
        ),
        // The form that Istio gives SNI is good at a gateway, and only there.
        (sni(json!(["outbound_.80_._.a.b"]), json!({"hosts": ["outbound_.80_._.a.b"], "gateways": ["g"]})), String::new()),
        (
            sni(json!(["outbound_.80"]), json!({"hosts": ["outbound_.x_._.a.b"], "gateways": ["g"]})),
            many(&[
                "domain name \"outbound_.x_._.a.b\" invalid (label \"x\" invalid). should follow outbound_.<PORT>_._.<HOSTNAME> format",
                "domain name outbound_.80 invalid, should follow 'outbound_.<PORT>_._.<HOSTNAME>' format",
            ]),
        ),
        (
            sni(json!(["a.b"]), json!({"hosts": ["a.b", "outbound_.80_._.a.b"], "gateways": ["mesh"]})),
            "domain name \"outbound_.80_._.a.b\" invalid (label \"outbound_\" invalid)".into(),
        ),
    ] {
        says("VirtualService", spec, &want);
    }
    warns(
        "VirtualService",
        route(json!({"gateways": ["g.ns.svc"]})),
        &[
            "using legacy gatewayName format \"g.ns.svc\"; prefer the <namespace>/<name> format: \"ns/g\"",
        ],
    );
    // The same in a match of a TCP route is not passed on.
    warns(
        "VirtualService",
        matching(json!({"gateways": ["g.ns.svc"]})),
        &[],
    );
    warns(
        "VirtualService",
        sni(json!(["10.0.0.1"]), json!({})),
        &[
            "using an IP address (\"10.0.0.1\") goes against SNI spec and most clients do not support this",
        ],
    );
}

/// `analyzeUnreachableTCPRules`.
#[test]
fn rules_that_earlier_ones_hide() {
    let to = json!([{"destination": {"host": "c"}}]);
    let rule = |matches: Value| json!({"match": matches, "route": to});
    let one = json!([{"port": 1}]);
    warns(
        "VirtualService",
        route(
            json!({"tcp": [rule(one.clone()), rule(one.clone()), rule(json!([])), rule(one), rule(json!([]))]}),
        ),
        &[
            "virtualService rule #1 match #0 is not used (duplicate/overlapping match in rule #0)",
            "virtualService rule #1 not used (all matches used by prior rules)",
            "virtualService rule #3 not used (route without matches defined before)",
            "virtualService rule #4 not used (only the last rule can have no matches)",
        ],
    );
}
