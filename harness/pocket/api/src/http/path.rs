//! What a path names.

use crate::kinds::{KINDS, Kind};

/// A path of the API.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Version,
    Health,
    Core,
    Groups,
    Group(String),
    GroupVersion(String, String),
    OpenApi,
    OpenApiOf(String),
    AccessReview,
    Resource(ResourcePath),
    /// Below a served version, but not a served resource.
    Unknown,
    /// No such path at all.
    NoPath,
}

/// A collection, an object or a subresource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    pub(crate) kind: Kind,
    pub(crate) version: String,
    /// `None`: all namespaces, or a cluster-scoped kind.
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl ResourcePath {
    /// `apiVersion` as the client wrote it in the path.
    pub(crate) fn api_version(&self) -> String {
        crate::kinds::api_version(self.kind.info().group, &self.version)
    }

    /// Namespace as the store keys it.
    pub(crate) fn space(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// Name, empty for a collection.
    pub(crate) fn object_name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

pub(super) fn parse(path: &str) -> Target {
    let Some(decoded) = segments(path) else {
        return Target::NoPath;
    };
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["version"] => Target::Version,
        ["livez" | "readyz" | "healthz"] => Target::Health,
        ["api"] => Target::Core,
        ["apis"] => Target::Groups,
        ["openapi", "v3"] => Target::OpenApi,
        ["openapi", "v3", rest @ ..] => Target::OpenApiOf(rest.join("/")),
        ["api", "v1"] => Target::GroupVersion(String::new(), "v1".into()),
        ["api", "v1", rest @ ..] => resource("", "v1", rest),
        ["apis", group] if is_group(group) => Target::Group((*group).to_owned()),
        [
            "apis",
            "authorization.k8s.io",
            "v1",
            "selfsubjectaccessreviews",
        ] => Target::AccessReview,
        ["apis", group, version] if is_version(group, version) => {
            Target::GroupVersion((*group).to_owned(), (*version).to_owned())
        }
        ["apis", group, version, rest @ ..] if is_version(group, version) => {
            resource(group, version, rest)
        }
        _ => Target::NoPath,
    }
}

fn is_group(group: &str) -> bool {
    group == "authorization.k8s.io"
        || !group.is_empty() && KINDS.iter().any(|info| info.group == group)
}

fn is_version(group: &str, version: &str) -> bool {
    group == "authorization.k8s.io" && version == "v1"
        || !group.is_empty()
            && KINDS
                .iter()
                .any(|info| info.group == group && info.versions.contains(&version))
}

fn resource(group: &str, version: &str, rest: &[&str]) -> Target {
    let (namespace, rest) = match rest {
        // `namespaces/x` and its subresources are a Namespace; deeper paths are its content.
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] if group.is_empty() => {
            (None, rest)
        }
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => {
            (Some((*namespace).to_owned()), rest)
        }
        rest => (None, rest),
    };
    let Some((&plural, rest)) = rest.split_first() else {
        return Target::Unknown;
    };
    let Some(kind) = Kind::at(group, version, plural) else {
        return Target::Unknown;
    };
    let info = kind.info();
    let mut rest = rest.iter().map(|part| (*part).to_owned());
    let (name, subresource) = (rest.next(), rest.next());
    let misplaced =
        info.namespaced != namespace.is_some() && (namespace.is_some() || name.is_some());
    if misplaced || rest.next().is_some() || name.as_deref() == Some("") {
        return Target::Unknown;
    }
    Target::Resource(ResourcePath {
        kind,
        version: version.to_owned(),
        namespace,
        name,
        subresource,
    })
}

/// Percent-decoded segments; `None` if they are not UTF-8.
fn segments(path: &str) -> Option<Vec<String>> {
    path.strip_prefix('/')?
        .trim_end_matches('/')
        .split('/')
        .map(decode)
        .collect()
}

fn decode(segment: &str) -> Option<String> {
    let bytes = segment.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        if bytes[index] == b'%' {
            let hex = segment.get(index + 1..index + 3)?;
            decoded.push(u8::from_str_radix(hex, 16).ok()?);
            index += 3;
        } else {
            decoded.push(bytes[index]);
            index += 1;
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource_at(path: &str) -> ResourcePath {
        match parse(path) {
            Target::Resource(path) => path,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn resources_are_found() {
        let pod = resource_at("/api/v1/namespaces/d/pods/a/log");
        assert_eq!(
            (pod.kind, pod.space(), pod.object_name()),
            (Kind::Pod, "d", "a")
        );
        assert_eq!(pod.subresource.as_deref(), Some("log"));
        assert_eq!(resource_at("/api/v1/namespaces/d").kind, Kind::Namespace);
        assert_eq!(
            resource_at("/api/v1/namespaces/d/status").kind,
            Kind::Namespace
        );
        assert_eq!(resource_at("/api/v1/pods").namespace, None);
        let role = resource_at("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Ax");
        assert_eq!(role.object_name(), "system:x");
    }

    #[test]
    fn other_paths_are_told_apart() {
        assert_eq!(parse("/api/v1/nosuch"), Target::Unknown);
        assert_eq!(parse("/api/v1/namespaces/d/nodes"), Target::Unknown);
        assert_eq!(parse("/api/v1/pods/a"), Target::Unknown);
        assert_eq!(parse("/apis/nosuch.example.com/v1"), Target::NoPath);
        assert_eq!(parse("/apis/apps/v2/deployments"), Target::NoPath);
        assert_eq!(parse("/%zz"), Target::NoPath);
    }
}
