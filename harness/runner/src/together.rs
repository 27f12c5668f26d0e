//! Which scenarios can follow each other in one environment: those whose set-ups differ only in what nobody else
//! notices. Pure.

use std::collections::BTreeSet;
use std::hash::Hash;

use indexmap::IndexMap;
use meshproof_scenario::{At, Binding, Cluster, Clusters, Loaded, ObjectName, Secret};

use crate::guest::CACERT;

/// Gives scenarios that can follow each other in one environment the same set-up, and each scenario the number of
/// its group.
///
/// They have the same mesh, manifests, patches, certificates and database, and prepare nothing in it. Beside that
/// each may have client pods, namespaces and Secrets of its own: they stand there unused while others run.
pub fn together<'a>(scenarios: impl IntoIterator<Item = &'a mut Loaded>) -> Vec<usize> {
    let mut scenarios: Vec<&mut Loaded> = scenarios.into_iter().collect();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut numbers = Vec::new();
    for (index, scenario) in scenarios.iter().enumerate() {
        let found = groups.iter().position(|members| {
            let mut members = members.iter();
            members.all(|member| agree(scenarios[*member], scenario))
        });
        let number = found.unwrap_or(groups.len());
        match groups.get_mut(number) {
            Some(members) => members.push(index),
            None => groups.push(vec![index]),
        }
        numbers.push(number);
    }
    for members in groups {
        let mut all = scenarios[members[0]].scenario.clusters.clone();
        for member in &members[1..] {
            join(&mut all, &scenarios[*member].scenario.clusters);
        }
        for member in members {
            join(&mut scenarios[member].scenario.clusters, &all);
        }
    }
    numbers
}

/// Whether one environment can be what both set up.
fn agree(a: &Loaded, b: &Loaded) -> bool {
    let (one, other) = (&a.scenario, &b.scenario);
    let clusters = one.clusters.iter().zip(other.clusters.iter());
    one.certificates == other.certificates
        && one.database == other.database
        && one.database.prepare.is_empty()
        && common(&one.bindings, &other.bindings)
        && bound(a, b)
        && bound(b, a)
        && clusters.into_iter().all(|((_, one), (_, other))| {
            let fixed = [fixed(a, one), fixed(b, other)];
            fixed[0].is_some()
                && fixed[0] == fixed[1]
                && common(&one.namespaces, &other.namespaces)
                && common(&one.pods, &other.pods)
                && common(&one.secrets, &other.secrets)
                && alone(&one.secrets, &other.secrets)
        })
}

/// The texts of what has to be the same: mesh configuration, manifests, patches and their Services.
fn fixed<'a>(loaded: &'a Loaded, cluster: &'a Cluster) -> Option<Vec<&'a str>> {
    let text = |path: &str| Some(loaded.file(path)?.text.as_str());
    let mut all = vec![text(&cluster.mesh_config)?];
    for path in &cluster.manifests {
        all.push(text(path)?);
    }
    for patch in &cluster.patches {
        all.extend([
            patch.service.namespace.as_str(),
            patch.service.name.as_str(),
            text(&patch.json)?,
        ]);
    }
    Some(all)
}

/// Whether what both have is the same in both.
fn common<K: Hash + Eq, V: PartialEq>(one: &IndexMap<K, V>, other: &IndexMap<K, V>) -> bool {
    one.iter()
        .all(|(key, value)| other.get(key).is_none_or(|found| found == value))
}

/// Whether the pods of `a` use no bindings that only `a` has: the others' reports have their own bindings alone.
fn bound(a: &Loaded, b: &Loaded) -> bool {
    let own = |(name, _): (&At<String>, &At<Binding>)| {
        let unknown = !b.scenario.bindings.contains_key(name);
        unknown.then(|| format!("${{{name}}}"))
    };
    let own: Vec<String> = a.scenario.bindings.iter().filter_map(own).collect();
    let clusters = a.scenario.clusters.iter();
    let mut texts = clusters.flat_map(|(_, cluster)| {
        let pods = cluster.pods.values();
        pods.flat_map(|pod| pod.env.values().chain([&pod.image]))
    });
    texts.all(|text| own.iter().all(|used| !text.contains(used.as_str())))
}

/// Whether no Secret that only one has is the CA of another, or has its CA in another.
fn alone(one: &IndexMap<At<ObjectName>, Secret>, other: &IndexMap<At<ObjectName>, Secret>) -> bool {
    let same = one.len() == other.len() && one.keys().all(|name| other.contains_key(name));
    let named = |name: &At<ObjectName>| (name.namespace.clone(), name.name.clone());
    let names: BTreeSet<(String, String)> = one.keys().chain(other.keys()).map(named).collect();
    let ca_of = |name: &str| name.strip_suffix(CACERT).unwrap_or(name).to_owned();
    let stems = names
        .iter()
        .map(|(namespace, name)| (namespace, ca_of(name)));
    same || stems.collect::<BTreeSet<_>>().len() == names.len()
}

/// Adds to a scenario's set-up what another has beside it.
fn join(to: &mut Clusters, from: &Clusters) {
    fn add<K: Hash + Eq + Clone, V: Clone>(to: &mut IndexMap<K, V>, from: &IndexMap<K, V>) {
        for (key, value) in from {
            to.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    for (to, from) in [
        (&mut to.client, &from.client),
        (&mut to.server, &from.server),
    ] {
        add(&mut to.namespaces, &from.namespaces);
        add(&mut to.secrets, &from.secrets);
        add(&mut to.pods, &from.pods);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn load(name: &str) -> Loaded {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        meshproof_scenario::load(&folder.join(name)).unwrap()
    }

    fn changed(name: &str, change: impl FnOnce(&mut Loaded)) -> Loaded {
        let mut loaded = load(name);
        change(&mut loaded);
        loaded
    }

    fn secret(loaded: &mut Loaded, from: &str, name: &str) {
        let secrets = &mut loaded.scenario.clusters.client.secrets;
        let found = secrets.iter().find(|(key, _)| key.name == from);
        let (key, value) = found
            .map(|(key, value)| (key.clone(), value.clone()))
            .unwrap();
        let named = ObjectName {
            namespace: key.namespace.clone(),
            name: name.to_owned(),
        };
        secrets.insert(At::new(named, key.pos), value);
    }

    #[test]
    fn scenarios_of_one_set_up_get_each_others_pods() {
        let names = ["policy.yaml", "database.yaml", "paths.yaml", "margins.yaml"];
        let mut all = names.map(load);
        assert_eq!(together(&mut all), [0, 1, 0, 2]);
        let pods = |loaded: &Loaded| {
            let clusters = loaded.scenario.clusters.iter();
            let pods = clusters.flat_map(|(_, cluster)| cluster.pods.keys());
            pods.map(|name| name.value.clone()).collect::<BTreeSet<_>>()
        };
        assert_eq!(pods(&all[0]), pods(&all[2]));
        assert!(pods(&all[0]).len() > pods(&load("policy.yaml")).len());
        assert_eq!(pods(&all[1]), pods(&load("database.yaml")));
        assert_eq!(all[0].scenario.cases, load("policy.yaml").scenario.cases);
    }

    #[test]
    fn what_others_would_notice_keeps_scenarios_apart() {
        let name = "policy.yaml";
        let apart: [fn(&mut Loaded); 7] = [
            |l| {
                l.files
                    .values_mut()
                    .next()
                    .unwrap()
                    .text
                    .push_str("\n# other\n");
            },
            |l| {
                l.scenario.database.prepare = vec![At::new(
                    "SELECT 1".into(),
                    load("policy.yaml").scenario.cases.pos,
                )];
            },
            |l| l.scenario.certificates.dns_name.value = "other.example".into(),
            |l| drop(l.scenario.clusters.server.manifests.pop()),
            |l| drop(l.scenario.clusters.server.patches.pop()),
            |l| {
                l.scenario
                    .clusters
                    .client
                    .pods
                    .values_mut()
                    .next()
                    .unwrap()
                    .image
                    .value = "mysql:8".into();
            },
            |l| secret(l, "client-credential", "client-credential-cacert"),
        ];
        for (at, change) in apart.into_iter().enumerate() {
            let mut both = [load(name), changed(name, change)];
            assert_eq!(together(&mut both), [0, 1], "{at}");
            let kept = load(name).scenario.clusters;
            assert_eq!(both[0].scenario.clusters, kept, "{at}");
        }
        let mut both = [
            load(name),
            changed(name, |l| secret(l, "client-credential", "another")),
        ];
        assert_eq!(together(&mut both), [0, 0]);
    }
}
