//! Host names with wildcards, as Istio compares them (`pkg/config/host/name.go`).

/// Whether two names, either of which may begin with `*`, can mean the same host.
pub(crate) fn matches(one: &str, other: &str) -> bool {
    match (one.strip_prefix('*'), other.strip_prefix('*')) {
        (Some(a), Some(b)) => a.ends_with(b) || b.ends_with(a),
        (Some(a), None) => other.ends_with(a),
        (None, Some(b)) => one.ends_with(b),
        (None, None) => one == other,
    }
}

/// Whether every host that `one` means is meant by `other` too.
pub(crate) fn subset_of(one: &str, other: &str) -> bool {
    match (one.strip_prefix('*'), other.strip_prefix('*')) {
        (Some(a), Some(b)) => a.ends_with(b),
        (Some(_), None) => false,
        (None, Some(b)) => one.ends_with(b),
        (None, None) => one == other,
    }
}

/// A short name, made whole with the namespace of the object that says it.
pub fn resolve(name: &str, namespace: &str) -> String {
    if name.contains('*') || name.contains('.') || name.is_empty() {
        return name.to_owned();
    }
    format!("{name}.{namespace}.svc.cluster.local")
}

#[cfg(test)]
mod tests {
    use super::{matches, resolve, subset_of};

    #[test]
    fn wildcards() {
        assert!(matches("*", "a.b"));
        assert!(matches("*.b", "a.b"));
        assert!(matches("*.b", "*.a.b"));
        assert!(!matches("*.b", "b"));
        assert!(subset_of("*.a.b", "*.b"));
        assert!(!subset_of("*.b", "*.a.b"));
        assert!(!subset_of("*.b", "a.b"));
    }

    #[test]
    fn short_names() {
        assert_eq!(
            resolve("mysql", "default"),
            "mysql.default.svc.cluster.local"
        );
        assert_eq!(resolve("a.b", "default"), "a.b");
    }
}
