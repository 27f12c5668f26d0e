//! `PeerAuthentication`, `AuthorizationPolicy`, `Telemetry`, and annotations of all kinds.

use meshproof_mesh::{MeshConfig, admit};
use serde_json::{Value, json};

use super::{many, object, says, warns};

/// `ValidatePeerAuthentication`, `validateWorkloadSelector`.
#[test]
fn peer_authentications() {
    let selector = json!({"matchLabels": {"a": "b"}});
    let strict = json!({"mode": "STRICT"});
    let wide = "mesh/namespace peer authentication cannot have port level mTLS";
    for (spec, want) in [
        (json!({"portLevelMtls": {"1": strict}}), wide.to_owned()),
        (
            json!({"selector": {}, "portLevelMtls": {"1": strict}}),
            wide.into(),
        ),
        (
            json!({"selector": selector, "portLevelMtls": {}}),
            "port level mTLS, if defined, must have at least one element".into(),
        ),
        (
            json!({"selector": selector, "portLevelMtls": {"0": strict, "65536": strict}}),
            many(&[
                "port must be in range 1..65535",
                "port must be in range 1..65535",
            ]),
        ),
        (
            json!({"selector": {"matchLabels": {"a*": "b"}}}),
            "wildcard is not supported in selector: \"a*=b\"".into(),
        ),
    ] {
        says("PeerAuthentication", spec, &want);
    }
    warns(
        "PeerAuthentication",
        json!({"selector": {}}),
        &["workload selector specified without labels"],
    );
}

/// `ValidateAuthorizationPolicy`, and `ValidateIPs`, `ValidatePorts`, `CheckEmptyValues`,
/// `CheckServiceAccount`, `CheckTrustDomainValues`, `CheckValidPathTemplate`, `ValidateAttribute`.
#[test]
fn authorization_policies() {
    let prefixed = |errors: &[&str]| -> Vec<String> {
        errors
            .iter()
            .map(|e| format!("invalid policy x.ns: {e}"))
            .collect()
    };
    let one = |error: &str| prefixed(&[error]).remove(0);
    let list = |errors: &[&str]| {
        let errors = prefixed(errors);
        many(&errors.iter().map(String::as_str).collect::<Vec<_>>())
    };
    // A key is judged with the values and with the negated ones.
    let twice = |rest: &str| {
        let both = ["value", "notValue"].map(|w| format!("invalid `{w}` for `key` {rest}"));
        list(&[&both[0], &both[1]])
    };
    let from = |source: Value| json!({"rules": [{"from": [{"source": source}]}]});
    let to = |operation: Value| json!({"rules": [{"to": [{"operation": operation}]}]});
    let when =
        |key: &str, values: Value| json!({"rules": [{"when": [{"key": key, "values": values}]}]});
    let form = "expected format 'serviceAccount' or 'namespace/serviceAccount', found";
    let meaningless = "action without `rules` is meaningless as it will never be triggered, add an empty rule `{}` if you want it be triggered for every request";
    for (spec, want) in [
        (
            json!({"action": "DENY"}),
            one(&format!("DENY {meaningless}")),
        ),
        (
            json!({"action": "CUSTOM"}),
            one(&format!("CUSTOM {meaningless}")),
        ),
        (
            json!({"provider": {"name": "p"}}),
            one("`provider` must not be with non CUSTOM action, found ALLOW"),
        ),
        (
            json!({"action": "CUSTOM", "provider": {"name": "p"}, "rules": [{"from": [{"source": {"principals": ["a"]}}], "when": [{"key": "source.namespace", "values": ["b"]}]}]}),
            list(&[
                "From.Principals is currently not supported with CUSTOM action",
                "source.namespace is currently not supported with CUSTOM action",
            ]),
        ),
        // A list without items is no list to Istio.
        (json!({"rules": [{"from": []}]}), String::new()),
        (
            json!({"rules": [{"from": [{}], "to": [{}]}]}),
            list(&[
                "`from.source` must not be nil, found at rule 0",
                "`to.operation` must not be nil, found at rule 0",
            ]),
        ),
        (
            from(json!({})),
            one("`from.source` must not be empty, found at rule 0"),
        ),
        (
            to(json!({})),
            one("`to.operation` must not be empty, found at rule 0"),
        ),
        (
            from(json!({"principals": ["a"], "serviceAccounts": ["b"]})),
            one("cannot set serviceAccounts with namespaces or principals, found at rule 0"),
        ),
        (
            from(json!({"principals": [""], "namespaces": [""]})),
            list(&[
                "empty value not allowed, found in Principals",
                "empty value not allowed, found in Namespaces",
            ]),
        ),
        // The checks of addresses and ports make lists of one.
        (
            from(json!({"ipBlocks": ["10.0.0"]})),
            list(&["bad IP address (10.0.0)"]),
        ),
        (
            from(json!({"ipBlocks": ["10.0.0.0/33"]})),
            list(&[
                "bad CIDR range (10.0.0.0/33): netip.ParsePrefix(\"10.0.0.0/33\"): prefix length out of range",
            ]),
        ),
        (
            from(json!({"ipBlocks": ["10.0.0/8"]})),
            list(&[
                "bad CIDR range (10.0.0/8): netip.ParsePrefix(\"10.0.0/8\"): ParseAddr(\"10.0.0\"): IPv4 address too short",
            ]),
        ),
        (
            from(json!({"ipBlocks": ["10.0.0.0/x"]})),
            list(&[
                "bad CIDR range (10.0.0.0/x): netip.ParsePrefix(\"10.0.0.0/x\"): bad bits after slash: \"x\"",
            ]),
        ),
        (
            to(json!({"ports": ["65536"]})),
            list(&["bad port (65536): <nil>"]),
        ),
        (
            to(json!({"ports": ["4294967296", "+1"]})),
            list(&[
                "bad port (4294967296): strconv.ParseUint: parsing \"4294967296\": value out of range",
                "bad port (+1): strconv.ParseUint: parsing \"+1\": invalid syntax",
            ]),
        ),
        (
            from(json!({"serviceAccounts": ["a/b/c"]})),
            one(&format!("{form} \"a/b/c\" in ServiceAccounts")),
        ),
        (
            from(json!({"serviceAccounts": ["/b"]})),
            one(&format!("{form} empty namespace \"/b\" in ServiceAccounts")),
        ),
        (
            from(json!({"notServiceAccounts": ["a*"]})),
            one("wildcard not allowed, found in NotServiceAccounts"),
        ),
        (
            from(json!({"trustDomains": ["a*b"]})),
            one("wildcard is only allowed at the start or end, found in TrustDomains: \"a*b\""),
        ),
        (
            from(json!({"trustDomains": ["a/b"]})),
            one("trust domain must not contain '/', found in TrustDomains: \"a/b\""),
        ),
        (
            to(json!({"paths": ["/a/{**}/b/{*}"]})),
            one(
                "invalid or unsupported path a/{**}/b/{*}, found in Paths. {**} is not the last operator",
            ),
        ),
        (
            to(json!({"notPaths": ["/{a}"]})),
            one(
                "invalid or unsupported path {a}, found in NotPaths. Contains '{' or '}' beyond a supported path template",
            ),
        ),
        (when("", json!(["a"])), one("`key` must not be empty")),
        (
            when("source.ip", json!([])),
            one("at least one of `values` or `notValues` must be set for key source.ip"),
        ),
        (
            when("nothing", json!(["a"])),
            twice("nothing: unknown attribute: nothing"),
        ),
        (
            when("destination.port", json!(["a"])),
            one(
                "invalid `value` for `key` destination.port: 1 error occurred:\n\t* bad port (a): strconv.ParseUint: parsing \"a\": invalid syntax\n\n",
            ),
        ),
        (
            when("request.headers[]", json!(["a"])),
            twice("request.headers[]: bad key (request.headers[]): should have format a[b]"),
        ),
        (
            when("destination.user", json!(["a"])),
            twice(
                "destination.user: deprecated attribute destination.user: only supported in v1alpha1",
            ),
        ),
        (
            json!({"selector": {"matchLabels": {"a": "b"}}, "targetRef": {"kind": "Pod", "name": ""}}),
            list(&[
                "only one of targetRefs or workloadSelector can be set",
                "targetRef name must be set",
                "targetRef must be to one of [core/v1/Service networking.istio.io/v1/ServiceEntry gateway.networking.k8s.io/v1/Gateway gateway.networking.k8s.io/v1/GatewayClass] but was /Pod",
            ]),
        ),
    ] {
        says("AuthorizationPolicy", spec, &want);
    }
}

/// `ValidateTelemetry`, `validateTelemetryProviders`.
#[test]
fn telemetries() {
    let empty = "providers.name may not be empty";
    for (spec, want) in [
        (
            json!({"accessLogging": [{"providers": [{"name": "a"}, {}, {}]}]}),
            empty.to_owned(),
        ),
        (
            json!({"metrics": [{"providers": [{}]}], "accessLogging": [{"providers": [{"name": ""}]}]}),
            many(&[empty, empty]),
        ),
    ] {
        says("Telemetry", spec, &want);
    }
}

/// `validateMetadata`, `checkDryRunAnnotation`.
#[test]
fn annotations() {
    let with = |kind: &str, spec: Value, name: &str, value: &str| {
        let mut object = object(kind, spec);
        object["metadata"]["annotations"] = json!({ (name): value });
        let answer = admit(&object, &MeshConfig::default());
        answer
            .istio_error()
            .unwrap_or_default()
            .replace("configuration is invalid: ", "")
    };
    let dry = "istio.io/dry-run";
    assert_eq!(with("AuthorizationPolicy", json!({}), dry, "t"), "");
    assert_eq!(
        with("AuthorizationPolicy", json!({}), dry, "yes"),
        "ns/x has annotation istio.io/dry-run with invalid value (yes): strconv.ParseBool: parsing \"yes\": invalid syntax"
    );
    assert_eq!(
        with(
            "AuthorizationPolicy",
            json!({"action": "AUDIT"}),
            dry,
            "true"
        ),
        "the annotation istio.io/dry-run currently only supports action ALLOW/DENY, found action AUDIT in ns/x"
    );
    assert_eq!(
        with("PeerAuthentication", json!({}), dry, "true"),
        "ns/x has unsupported annotation istio.io/dry-run, please remove the annotation"
    );
    assert_eq!(
        with(
            "PeerAuthentication",
            json!({}),
            "internal.istio.io/parents",
            "a"
        ),
        "\"internal.istio.io/parents\" annotation found, this may not be set by users"
    );
}

/// `ValidateRequestAuthentication`, `validateJwtRule`, `ValidateProxyConfig`, `ValidateWorkloadGroup`: kinds that
/// are not supported, which is said only of what Istio would accept.
#[test]
fn kinds_that_are_not_supported() {
    let issuer = "issuer or jwksUri must be non-empty string";
    says(
        "RequestAuthentication",
        json!({"jwtRules": [{}]}),
        &many(&[issuer]),
    );
    says(
        "RequestAuthentication",
        json!({"jwtRules": [{"audiences": [""], "issuer": "a", "fromHeaders": [{}], "timeout": "0s"}]}),
        &many(&[
            "audience must be non-empty string",
            "location header name must be non-empty string",
            "duration must be greater than 1ms",
        ]),
    );
    says(
        "ProxyConfig",
        json!({"concurrency": -1}),
        "concurrency must be greater than or equal to 0",
    );
    says("WorkloadGroup", json!({}), "template is required");
    for kind in ["RequestAuthentication", "ProxyConfig", "EnvoyFilter"] {
        let answer = admit(&object(kind, json!({})), &MeshConfig::default());
        let error = answer.error.unwrap();
        assert!(
            error.ends_with("not supported by the embedded mesh"),
            "{error}"
        );
    }
}

/// `checkFields` of `pkg/webhooks/validation/server/server.go`.
#[test]
fn fields_beside_the_spec() {
    let mut gateway = object("PeerAuthentication", json!({}));
    gateway["sepc"] = json!({});
    let answer = admit(&gateway, &MeshConfig::default());
    assert_eq!(
        answer.istio_error(),
        Some("unknown field \"sepc\" on PeerAuthentication resource ns/x")
    );
}
