//! What a reader of the support page would ask: why a field is not supported, or what a supported one does
//! where that is not what its name says.

use Says::{Effect, Why};

/// What a note is about. One that no longer fits its field fails a test.
#[derive(Clone, Copy, Debug)]
pub(super) enum Says {
    /// Why the field is not supported.
    Why(&'static str),
    /// What the field does, which is accepted.
    Effect(&'static str),
}

/// Of HTTP, on a policy for TCP (`pilot/pkg/security/authz/model/model.go`).
const HTTP_CONDITION: Says = Effect(
    "of HTTP: on TCP a rule of ALLOW with it never matches, one of any other action is applied without it",
);
const FILES: Says = Why("a file of the proxy's container; name a Secret instead");
const COUNTS: Says = Effect("on TCP a connection that fails counts as an answer of 5xx");

/// Kind, path (all that ends with it), note.
pub(super) const NOTES: &[(&str, &str, Says)] = &[
    (
        "Gateway",
        "tls.caCrl",
        Why("a file of the proxy's container; put `ca.crl` into the Secret instead"),
    ),
    ("Gateway", "tls.tlsCertificates", FILES),
    (
        "Gateway",
        "defaultEndpoint",
        Why("Istio does not act on it at gateways either"),
    ),
    (
        "Gateway",
        "tls.subjectAltNames[]",
        Effect("only where clients show certificates"),
    ),
    (
        "Gateway",
        "tls.cipherSuites[]",
        Effect("unknown and repeated ones are left out with a warning; TLS 1.3 has its own"),
    ),
    (
        "VirtualService",
        "spec.http",
        Why("HTTP is not routed, only TCP and TLS by SNI"),
    ),
    (
        "VirtualService",
        "sourceSubnet",
        Why("Istio does not act on it either"),
    ),
    (
        "ServiceEntry",
        "endpoints[].network",
        Why("each cluster is one network"),
    ),
    (
        "ServiceEntry",
        "subjectAltNames[]",
        Effect("what clients ask of the server, where the rule for its TLS says none"),
    ),
    (
        "DestinationRule",
        "loadBalancer.backendUtilization",
        Why("asks for reports of load in HTTP answers"),
    ),
    (
        "DestinationRule",
        "loadBalancer.zoneAwareLbSetting",
        Why("all pods of a cluster are in one place"),
    ),
    ("DestinationRule", "tls.caCrl", FILES),
    (
        "DestinationRule",
        "tls.credentialName",
        Effect(
            "at gateways; at sidecars only of a rule with a workloadSelector, else the connection is plain, as Istio has it",
        ),
    ),
    (
        "DestinationRule",
        "outlierDetection.consecutive5xxErrors",
        COUNTS,
    ),
    (
        "DestinationRule",
        "outlierDetection.consecutiveGatewayErrors",
        COUNTS,
    ),
    (
        "Sidecar",
        "ingress[].tls",
        Why("Istio does not act on it either unless its control plane is told to"),
    ),
    (
        "Sidecar",
        "egressProxy",
        Why("unknown destinations go out directly or not at all"),
    ),
    (
        "AuthorizationPolicy",
        "provider.name",
        Effect("of `action: CUSTOM` only"),
    ),
    (
        "AuthorizationPolicy",
        "source.requestPrincipals[]",
        HTTP_CONDITION,
    ),
    (
        "AuthorizationPolicy",
        "source.notRequestPrincipals[]",
        HTTP_CONDITION,
    ),
    (
        "AuthorizationPolicy",
        "source.remoteIpBlocks[]",
        Effect("on TCP the peer's address: only HTTP knows of one behind it"),
    ),
    ("AuthorizationPolicy", "operation.hosts[]", HTTP_CONDITION),
    (
        "AuthorizationPolicy",
        "operation.notHosts[]",
        HTTP_CONDITION,
    ),
    ("AuthorizationPolicy", "operation.methods[]", HTTP_CONDITION),
    (
        "AuthorizationPolicy",
        "operation.notMethods[]",
        HTTP_CONDITION,
    ),
    ("AuthorizationPolicy", "operation.paths[]", HTTP_CONDITION),
    (
        "AuthorizationPolicy",
        "operation.notPaths[]",
        HTTP_CONDITION,
    ),
    (
        "AuthorizationPolicy",
        "when[].key",
        Effect("`request.` keys are of HTTP, as above"),
    ),
    (
        "Telemetry",
        "providers[].name",
        Effect(
            "one that writes to a file, or `envoy`; unknown ones are passed over, as Istio does",
        ),
    ),
];

/// The note on a field of a kind.
pub(super) fn note(kind: &str, path: &str) -> Option<Says> {
    NOTES
        .iter()
        .find(|(of, end, _)| *of == kind && is_end(path, end))
        .map(|(.., says)| *says)
}

/// Whether whole names at the end of a path are these.
pub(super) fn is_end(path: &str, end: &str) -> bool {
    path.strip_suffix(end)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
