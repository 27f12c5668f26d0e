//! Image names and the local programs that stand in for them.

/// The image of the router pod.
pub const ROUTER_IMAGE: &str = "meshproof/router";

/// What a container of an image runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// A MySQL or MariaDB image: the server when no command or `mysqld` is asked for, else that command.
    Mysql,
    /// Istio's proxy image: Envoy, or the redirection rules for `istio-iptables`.
    Proxy,
    /// The cluster's router.
    Router,
    /// The prober, beside a MySQL client: whatever command is asked for, or none.
    Probe,
    /// A plain system image: whatever command is asked for, from the host's programs.
    System,
}

/// The table, by repository name without registry and tag.
const TABLE: [(&str, Image); 13] = [
    ("mysql", Image::Mysql),
    ("mariadb", Image::Mysql),
    ("percona", Image::Mysql),
    ("istio/proxyv2", Image::Proxy),
    ("istio-proxy", Image::Proxy),
    (ROUTER_IMAGE, Image::Router),
    (meshproof_probe::IMAGE, Image::Probe),
    ("debian", Image::System),
    ("ubuntu", Image::System),
    ("busybox", Image::System),
    ("alpine", Image::System),
    ("curlimages/curl", Image::System),
    ("registry.k8s.io/pause", Image::System),
];

/// Resolves an image reference as a container runtime would: registry and tag do not matter here.
pub fn resolve(reference: &str) -> Option<Image> {
    let name = repository(reference);
    TABLE
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, image)| *image)
}

/// All known repository names, for the message of a pull that fails.
pub fn known() -> String {
    TABLE.map(|(name, _)| name).join(", ")
}

/// `docker.io/library/mysql:5.6@sha256:...` -> `mysql`.
fn repository(reference: &str) -> &str {
    let without_digest = reference.split('@').next().unwrap_or(reference);
    let name = match without_digest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => without_digest,
    };
    if TABLE.iter().any(|(known, _)| *known == name) {
        return name;
    }
    let name = match name.split_once('/') {
        Some((registry, rest)) if registry.contains(['.', ':']) || registry == "localhost" => rest,
        _ => name,
    };
    name.strip_prefix("library/").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_tags_and_digests_do_not_matter() {
        for reference in [
            "mysql",
            "mysql:5.6",
            "docker.io/library/mysql:8.4",
            "localhost:5000/mysql@sha256:00",
        ] {
            assert_eq!(resolve(reference), Some(Image::Mysql), "{reference}");
        }
        assert_eq!(
            resolve("docker.io/istio/proxyv2:1.32.0"),
            Some(Image::Proxy)
        );
        assert_eq!(resolve("ghcr.io/meshproof/probe:0.1"), Some(Image::Probe));
        assert_eq!(resolve("registry.k8s.io/pause:3.10"), Some(Image::System));
    }

    #[test]
    fn an_unknown_image_is_not_guessed() {
        assert_eq!(resolve("mysqld-exporter:1"), None);
        assert_eq!(resolve("someone/mysql:8"), None);
    }
}
