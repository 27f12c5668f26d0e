//! Names of identities under the mesh's trust domain and its aliases
//! (`pilot/pkg/security/trustdomain/bundle.go`).

use crate::MeshConfig;

/// What a policy means by the mesh's own trust domain, whatever its name.
const OWN: &str = "cluster.local";

/// Principals of one of the mesh's trust domains stand for those of all of them.
pub(super) fn of_principals(principals: &[String], mesh: &MeshConfig) -> Vec<String> {
    let domains = domains(mesh);
    principals
        .iter()
        .flat_map(|principal| {
            let own = |d: &&str| *d == OWN || domains.iter().any(|known| overlap(d, known));
            match domain_of(principal).filter(own) {
                Some(domain) => renamed(principal, domain, &domains),
                None => vec![principal.clone()],
            }
        })
        .collect()
}

/// One of the mesh's trust domains stands for all of them.
pub(super) fn of_domains(values: &[String], mesh: &MeshConfig) -> Vec<String> {
    let domains = domains(mesh);
    let mut found: Vec<String> = Vec::new();
    for value in values {
        let all: &[&str] = if domains.contains(&value.as_str()) {
            &domains
        } else {
            &[value]
        };
        for domain in all {
            if !found.iter().any(|f| f == domain) {
                found.push((*domain).to_owned());
            }
        }
    }
    found
}

fn domains(mesh: &MeshConfig) -> Vec<&str> {
    let aliases = mesh.trust_domain_aliases().iter().map(String::as_str);
    std::iter::once(mesh.trust_domain())
        .chain(aliases)
        .collect()
}

/// The trust domain of a whole identity, unless it is any; other texts have none.
fn domain_of(principal: &str) -> Option<&str> {
    let (domain, rest) = principal.split_once('/')?;
    (rest.matches('/').count() == 3 && domain != "*").then_some(domain)
}

/// The principal in each domain, as it stands where its own pattern ends like the domain.
fn renamed(principal: &str, pattern: &str, domains: &[&str]) -> Vec<String> {
    let rest = principal.split_once('/').map_or("", |(_, rest)| rest);
    let mut found: Vec<String> = Vec::new();
    for domain in domains {
        let name = if ends_like(domain, pattern) {
            principal.to_owned()
        } else {
            format!("{domain}/{rest}")
        };
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

/// Whether one of two texts, either of which may have a wildcard at an end, fits the other.
fn overlap(one: &str, other: &str) -> bool {
    one == other
        || other == "*"
        || starts_like(one, other)
        || starts_like(other, one)
        || ends_like(one, other)
        || ends_like(other, one)
}

fn starts_like(text: &str, pattern: &str) -> bool {
    pattern
        .strip_suffix('*')
        .is_some_and(|start| text.starts_with(start))
}

fn ends_like(text: &str, pattern: &str) -> bool {
    pattern
        .strip_prefix('*')
        .is_some_and(|end| text.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::of_principals;
    use crate::MeshConfig;

    #[test]
    fn only_whole_identities_are_renamed() {
        let mesh =
            MeshConfig::from_yaml("{trustDomain: new-td, trustDomainAliases: [old-td, other]}")
                .unwrap();
        let of = |p: &str| of_principals(&[p.to_owned()], &mesh);
        let all = ["new-td/ns/a/sa/b", "old-td/ns/a/sa/b", "other/ns/a/sa/b"];
        assert_eq!(of("cluster.local/ns/a/sa/b"), all);
        assert_eq!(of("old-td/ns/a/sa/b"), all);
        assert_eq!(of("*-td/ns/a/sa/b"), ["*-td/ns/a/sa/b", "other/ns/a/sa/b"]);
        assert_eq!(of("old*/ns/a/sa/b"), all);
        for kept in [
            "*",
            "*/ns/a/sa/b",
            "foreign/ns/a/sa/b",
            "cluster.local/*",
            "old-td/ns/*",
        ] {
            assert_eq!(of(kept), [kept]);
        }
    }
}
