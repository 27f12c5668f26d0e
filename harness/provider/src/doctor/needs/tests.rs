//! The roles that the project ships grant what is asked for, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use meshproof_cluster::Manifest;
use serde_json::Value;

use super::*;

/// Verb, group, resource with its subresource, and the namespace where it is not everywhere.
type Grant = (String, String, String, Option<String>);

/// What looks and finds its defaults where it may not.
const LOOK: &str = "meshproof-look";

fn granted(side: Side) -> BTreeSet<Grant> {
    let file = format!(
        "{}/../../fixtures/rbac/{side}.yaml",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&file).unwrap();
    let manifests = Manifest::parse(Path::new(&file), &text).unwrap();
    let is_role = |one: &&Manifest| one.gvk.kind.ends_with("Role") && one.name != LOOK;
    let roles: Vec<&Manifest> = manifests.iter().filter(is_role).collect();
    for role in &roles {
        bound(role, &manifests);
    }
    roles.iter().flat_map(|role| rules(role)).collect()
}

/// Each role is somebody's.
fn bound(role: &Manifest, manifests: &[Manifest]) {
    let binding = format!("{}Binding", role.gvk.kind);
    let is_its = |one: &&Manifest| {
        let of = &one.object["roleRef"];
        let same = one.namespace == role.namespace && one.gvk.kind == binding;
        same && of["name"] == role.name.as_str() && of["kind"] == role.gvk.kind.as_str()
    };
    assert_eq!(manifests.iter().filter(is_its).count(), 1, "{}", role.name);
}

fn rules(role: &Manifest) -> Vec<Grant> {
    let texts = |rule: &Value, key: &str| -> Vec<String> {
        let list = rule[key].as_array().unwrap().iter();
        list.map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let mut grants = Vec::new();
    for rule in role.object["rules"].as_array().unwrap() {
        for group in texts(rule, "apiGroups") {
            for resource in texts(rule, "resources") {
                for verb in texts(rule, "verbs") {
                    grants.push((
                        verb,
                        group.clone(),
                        resource.clone(),
                        role.namespace.clone(),
                    ));
                }
            }
        }
    }
    grants
}

fn needed(side: Side) -> BTreeSet<Grant> {
    let needs = of(side, &Facts::istio_defaults("contexts"));
    let grants = needs.into_iter().map(|need| {
        let resource = match need.subresource {
            "" => need.resource.to_owned(),
            subresource => format!("{}/{subresource}", need.resource),
        };
        (
            need.verb.to_owned(),
            need.group.to_owned(),
            resource,
            need.namespace,
        )
    });
    grants.collect()
}

#[test]
fn the_roles_that_are_shipped_grant_what_is_needed_and_nothing_else() {
    for side in [Side::Client, Side::Server] {
        let (granted, needed) = (granted(side), needed(side));
        let lacking: Vec<_> = needed.difference(&granted).collect();
        let idle: Vec<_> = granted.difference(&needed).collect();
        assert!(
            lacking.is_empty() && idle.is_empty(),
            "{side}: lacking {lacking:?}, idle {idle:?}"
        );
    }
}
