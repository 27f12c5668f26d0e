//! Recordings that are not in manifests and certificates alone.

/// Each with what it takes beside them.
pub(crate) const LEFT: &[(&str, &str)] = &[
    (
        "secret-missing-ingress",
        "the proxy keeps a Secret that is deleted while it runs: history, not manifests",
    ),
    ("secret-missing-egress", "the same, at the egress gateway"),
    (
        "credential-never-ingress-at-once",
        "three seconds after the change: the old listener serves while the new one warms",
    ),
    (
        "credential-never-egress-at-once",
        "the same, at the egress gateway's cluster",
    ),
    ("wrong-password", "the database's accounts"),
    ("unknown-database", "the database's content"),
];
