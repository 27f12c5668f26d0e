//! What a run does to a cluster, as verbs on resources. Pure.
//!
//! Split as responsibilities are: the gateways' namespace belongs to network administrators, the namespaces of the
//! run to developers. Server-side apply of something new wants `patch` and `create`
//! (<https://kubernetes.io/docs/reference/using-api/server-side-apply/>); a stream over a WebSocket is a GET, and
//! since Kubernetes 1.35 it wants `create` too.

use meshproof_cluster::{Facts, Side};

/// One thing that the user must be allowed to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Need {
    /// `get`, `create`, `patch`, ...
    pub verb: &'static str,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// Plural, such as `pods`.
    pub resource: &'static str,
    /// Such as `exec`; empty for the resource itself.
    pub subresource: &'static str,
    /// `None`: in every namespace, as those of a run are made for it; or the resource has no namespace.
    pub namespace: Option<String>,
    /// What a run does without it; `None` where there is no run without it.
    pub without: Option<&'static str>,
}

type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const MAKE: &[&str] = &["get", "create", "patch", "delete"];
/// What cases change too: a deletion is watched until it is done.
const VARY: &[&str] = &["get", "watch", "create", "patch", "delete"];
const FOLLOW: &[&str] = &["get", "list", "watch"];
const ALL: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];
const STREAM: &[&str] = &["get", "create"];

/// In the namespaces of the run.
const BOTH: &[Row] = &[
    ("", "namespaces", "", MAKE),
    ("", "pods", "", ALL),
    ("", "pods", "log", &["get"]),
    ("", "pods", "exec", STREAM),
    ("", "events", "", &["list"]),
    ("", "secrets", "", VARY),
    ("", "services", "", VARY),
    ("networking.istio.io", "gateways", "", VARY),
    ("networking.istio.io", "virtualservices", "", VARY),
    ("networking.istio.io", "destinationrules", "", VARY),
    ("networking.istio.io", "serviceentries", "", VARY),
    ("networking.istio.io", "sidecars", "", VARY),
    ("security.istio.io", "peerauthentications", "", VARY),
    ("security.istio.io", "authorizationpolicies", "", VARY),
];
/// Where the database runs.
const SERVER: &[Row] = &[
    ("", "pods", "portforward", STREAM),
    ("apps", "deployments", "", ALL),
];
/// In the gateways' namespace.
const GATEWAY: &[Row] = &[
    ("", "pods", "", FOLLOW),
    ("", "pods", "log", &["get"]),
    ("", "services", "", &["get", "list", "watch", "patch"]),
    ("", "secrets", "", VARY),
];

/// The proxies' admin ports: of the run's pods, and of the gateways.
const PROXIES: &[Row] = &[("", "pods", "portforward", STREAM)];
const WITHOUT_PROXIES: &str = "the proxies are not asked whether a change is active, and cases that change configuration are skipped";

/// Everything that a run needs on a side.
pub(super) fn of(side: Side, facts: &Facts) -> Vec<Need> {
    let (own, gateway) = match side {
        Side::Client => (&[][..], &facts.egress.namespace),
        Side::Server => (SERVER, &facts.ingress.namespace),
    };
    let anywhere = BOTH.iter().chain(own).map(|row| (row, None));
    let there = GATEWAY.iter().map(|row| (row, Some(gateway.clone())));
    let rows = anywhere.chain(there).map(|row| (row, None));
    // The database is reached by the same way, in the server's cluster.
    let pods = PROXIES.iter().filter(|_| side == Side::Client);
    let pods = pods.map(|row| (row, None));
    let gateways = PROXIES.iter().map(|row| (row, Some(gateway.clone())));
    let proxies = pods.chain(gateways).map(|row| (row, Some(WITHOUT_PROXIES)));
    rows.chain(proxies)
        .flat_map(
            |(((group, resource, subresource, verbs), namespace), without)| {
                verbs.iter().map(move |verb| Need {
                    verb,
                    group,
                    resource,
                    subresource,
                    namespace: namespace.clone(),
                    without,
                })
            },
        )
        .collect()
}

#[cfg(test)]
mod tests;
