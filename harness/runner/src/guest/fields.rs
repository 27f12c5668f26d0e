//! Where in Kubernetes' and Istio's objects names of other objects stand, from their API references.

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// A namespace.
    Namespace,
    /// The host of a service.
    Host,
    /// The same with a port, a scheme or a flag around it.
    Endpoint,
    /// `namespace/host`.
    ScopedHost,
    /// `namespace/name` of a Gateway.
    Gateway,
    /// The identity of a workload.
    Principal,
    /// A name in a certificate.
    San,
    /// A server name.
    Sni,
    /// A Secret that the proxy reads which the rule is for.
    Credential,
    /// An object of that kind in the same namespace.
    Object(&'static str),
    /// `namespace/name` of a service account.
    Account,
    /// The value of a label.
    Label,
}

use Reference::{
    Account, Credential, Endpoint, Gateway, Host, Label, Namespace, Object, Principal, San,
    ScopedHost, Sni,
};

/// Kind, place, what stands there. `*` is one step, `**` any number of them.
const FIELDS: &[(&str, &str, Reference)] = &[
    ("VirtualService", "spec/hosts/*", Host),
    ("VirtualService", "spec/gateways/*", Gateway),
    ("VirtualService", "spec/*/*/match/*/gateways/*", Gateway),
    ("VirtualService", "spec/*/*/match/*/sniHosts/*", Host),
    (
        "VirtualService",
        "spec/*/*/match/*/sourceNamespace",
        Namespace,
    ),
    ("VirtualService", "spec/*/*/match/*/sourceLabels/*", Label),
    ("VirtualService", "spec/*/*/route/*/destination/host", Host),
    ("VirtualService", "spec/*/*/mirror/host", Host),
    (
        "VirtualService",
        "spec/*/*/mirrors/*/destination/host",
        Host,
    ),
    ("VirtualService", "spec/*/*/delegate/namespace", Namespace),
    ("DestinationRule", "spec/host", Host),
    (
        "DestinationRule",
        "spec/workloadSelector/matchLabels/*",
        Label,
    ),
    ("DestinationRule", "**/tls/credentialName", Credential),
    ("DestinationRule", "**/tls/sni", Sni),
    ("DestinationRule", "**/tls/subjectAltNames/*", San),
    ("ServiceEntry", "spec/hosts/*", Host),
    ("ServiceEntry", "spec/endpoints/*/address", Host),
    (
        "ServiceEntry",
        "spec/endpoints/*/serviceAccount",
        Object("ServiceAccount"),
    ),
    ("ServiceEntry", "spec/subjectAltNames/*", San),
    ("ServiceEntry", "spec/workloadSelector/labels/*", Label),
    ("WorkloadEntry", "spec/address", Host),
    (
        "WorkloadEntry",
        "spec/serviceAccount",
        Object("ServiceAccount"),
    ),
    ("Gateway", "spec/selector/*", Label),
    ("Gateway", "spec/servers/*/hosts/*", ScopedHost),
    ("Gateway", "spec/servers/*/tls/credentialName", Credential),
    (
        "Gateway",
        "spec/servers/*/tls/credentialNames/*",
        Credential,
    ),
    (
        "Gateway",
        "spec/servers/*/tls/caCertCredentialName",
        Credential,
    ),
    ("Gateway", "spec/servers/*/tls/subjectAltNames/*", San),
    ("Sidecar", "spec/workloadSelector/labels/*", Label),
    ("Sidecar", "spec/egress/*/hosts/*", ScopedHost),
    ("Sidecar", "spec/ingress/*/tls/subjectAltNames/*", San),
    (
        "Sidecar",
        "spec/outboundTrafficPolicy/egressProxy/host",
        Host,
    ),
    ("AuthorizationPolicy", "spec/selector/matchLabels/*", Label),
    (
        "AuthorizationPolicy",
        "spec/rules/*/from/*/source/principals/*",
        Principal,
    ),
    (
        "AuthorizationPolicy",
        "spec/rules/*/from/*/source/notPrincipals/*",
        Principal,
    ),
    (
        "AuthorizationPolicy",
        "spec/rules/*/from/*/source/namespaces/*",
        Namespace,
    ),
    (
        "AuthorizationPolicy",
        "spec/rules/*/from/*/source/notNamespaces/*",
        Namespace,
    ),
    (
        "AuthorizationPolicy",
        "spec/rules/*/from/*/source/serviceAccounts/*",
        Account,
    ),
    (
        "AuthorizationPolicy",
        "spec/rules/*/from/*/source/notServiceAccounts/*",
        Account,
    ),
    (
        "AuthorizationPolicy",
        "spec/rules/*/to/*/operation/hosts/*",
        Host,
    ),
    (
        "AuthorizationPolicy",
        "spec/rules/*/to/*/operation/notHosts/*",
        Host,
    ),
    ("PeerAuthentication", "spec/selector/matchLabels/*", Label),
    ("Telemetry", "spec/selector/matchLabels/*", Label),
    ("EnvoyFilter", "spec/workloadSelector/labels/*", Label),
    ("Service", "spec/selector/*", Label),
    ("Service", "spec/externalName", Host),
    ("ConfigMap", "data/*", Endpoint),
    ("RoleBinding", "subjects/*/namespace", Namespace),
    ("RoleBinding", "roleRef/name", Object("Role")),
];

/// The same for whatever has pods in it: `**` is where the pod's own fields begin.
const PODS: &[(&str, Reference)] = &[
    ("spec/selector/matchLabels/*", Label),
    ("spec/template/metadata/labels/*", Label),
    ("**/containers/*/env/*/value", Endpoint),
    ("**/containers/*/command/*", Endpoint),
    ("**/containers/*/args/*", Endpoint),
    ("**/initContainers/*/env/*/value", Endpoint),
    ("**/initContainers/*/command/*", Endpoint),
    ("**/initContainers/*/args/*", Endpoint),
    ("**/env/*/valueFrom/secretKeyRef/name", Object("Secret")),
    (
        "**/env/*/valueFrom/configMapKeyRef/name",
        Object("ConfigMap"),
    ),
    ("**/envFrom/*/secretRef/name", Object("Secret")),
    ("**/envFrom/*/configMapRef/name", Object("ConfigMap")),
    ("**/volumes/*/secret/secretName", Object("Secret")),
    ("**/volumes/*/configMap/name", Object("ConfigMap")),
    (
        "**/volumes/*/persistentVolumeClaim/claimName",
        Object("PersistentVolumeClaim"),
    ),
    (
        "**/volumes/*/projected/sources/*/secret/name",
        Object("Secret"),
    ),
    (
        "**/volumes/*/projected/sources/*/configMap/name",
        Object("ConfigMap"),
    ),
    ("**/serviceAccountName", Object("ServiceAccount")),
    ("**/imagePullSecrets/*/name", Object("Secret")),
];

/// Kinds that have pods in them.
pub(crate) const WORKLOADS: &[&str] = &[
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "Pod",
    "ReplicaSet",
    "StatefulSet",
];

/// What stands at a place of an object, if it is a name of something else.
pub(crate) fn reference(kind: &str, place: &[&str]) -> Option<Reference> {
    let own = FIELDS.iter().filter(|(of, ..)| *of == kind);
    let own = own.map(|(_, pattern, reference)| (pattern, reference));
    let pods = PODS.iter().filter(|_| WORKLOADS.contains(&kind));
    let pods = pods.map(|(pattern, reference)| (pattern, reference));
    let mut all = own.chain(pods);
    let found = all.find(|(pattern, _)| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        fits(&pattern, place)
    });
    found.map(|(_, reference)| *reference)
}

fn fits(pattern: &[&str], place: &[&str]) -> bool {
    match (pattern.split_first(), place.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), None) => fits(rest, place),
        (Some((&"**", rest)), Some((_, further))) => fits(rest, place) || fits(pattern, further),
        (Some((step, rest)), Some((here, further))) => {
            (*step == "*" || step == here) && fits(rest, further)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(kind: &str, place: &str) -> Option<Reference> {
        let steps: Vec<&str> = place.split('/').collect();
        reference(kind, &steps)
    }

    #[test]
    fn a_field_is_found_wherever_the_kind_has_it() {
        let level = "spec/subsets/0/trafficPolicy/portLevelSettings/0/tls/credentialName";
        assert_eq!(at("DestinationRule", level), Some(Credential));
        assert_eq!(
            at("DestinationRule", "spec/trafficPolicy/tls/sni"),
            Some(Sni)
        );
        assert_eq!(
            at("VirtualService", "spec/tcp/1/route/0/destination/host"),
            Some(Host)
        );
        assert_eq!(
            at("VirtualService", "spec/tcp/1/route/0/destination/subset"),
            None
        );
        assert_eq!(at("Gateway", "spec/servers/0/hosts/0"), Some(ScopedHost));
        let claim = "spec/template/spec/volumes/0/secret/secretName";
        assert_eq!(at("Deployment", claim), Some(Object("Secret")));
        assert_eq!(at("Service", claim), None);
        assert_eq!(at("Pod", "spec/containers/0/command/3"), Some(Endpoint));
    }
}
