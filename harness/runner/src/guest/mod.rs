//! Being a guest on clusters that others use too: everything that a scenario makes there gets names of the run's
//! own, so that several runs, and a run beside live traffic, do not meet. The scenario's file stays as it is, and
//! so does what embedded clusters see. Pure.
//!
//! - Each namespace that the scenario declares is generated: `NS` becomes `mp-RUN-NS`. What stands in it keeps
//!   its name.
//! - What the scenario makes in a namespace that it does not declare (the gateways') gets `-RUN` behind its name.
//! - A host of nip.io gets a label in front: `mp-RUN.A.B.C.D.nip.io` has the same address. Server names, routes,
//!   certificates and entries of two runs then differ.
//! - What refers to any of these follows, by its place in the object ([`fields`]) and its form ([`references`]).
//! - Rules are exported to the run's namespaces and the gateways' alone.
//! - What acts on others all the same is named ([`disruptive`]), and its cases run only when asked for.

mod disruptive;
mod fields;
mod object;
#[cfg(test)]
mod picture;
mod references;
mod run_name;
mod scenario;
mod server_names;

use std::collections::BTreeSet;

use meshproof_cluster::Manifest;
use meshproof_scenario::{Cluster, Overlay, Scenario, Side};
use serde_json::Value;

use crate::setup::Setup;
use disruptive::namespace_of;
use object::Owner;
use references::World;
use scenario::Worlds;

pub(crate) use disruptive::Disruptive;
pub(crate) use run_name::{CACERT, RunName};
pub(crate) use server_names::ServerNames;

/// The gateways' namespaces, of the client's and of the server's cluster.
pub(crate) type Gateways<'a> = [&'a str; 2];

/// How a scenario becomes a guest's.
pub(crate) struct Guest {
    worlds: Worlds,
    /// Which cases reach beyond the run.
    pub(crate) disruptive: Disruptive,
}

impl Guest {
    /// Looks at a bound scenario under its own names, and at what it sets up.
    ///
    /// # Errors
    /// In words: two of its namespaces would be called the same.
    pub(crate) fn new(
        run: &RunName,
        gateways: Gateways<'_>,
        scenario: &Scenario,
        setups: [&Setup; 2],
    ) -> Result<Self, String> {
        let world = |side: Side, gateways: &str, setup: &Setup| {
            let cluster = scenario.clusters.get(side);
            let world = World {
                run: run.clone(),
                declared: declared(cluster, setup, gateways),
                gateways: gateways.to_owned(),
                created: BTreeSet::new(),
                labels: BTreeSet::new(),
                of_sidecars: BTreeSet::new(),
            };
            if run_name::distinct(run, world.declared.iter()) {
                Ok(furnished(world, side, scenario, setup))
            } else {
                Err(format!(
                    "cluster {side}: two of the scenario's namespaces are so long that they would be called the same in this run; shorten one"
                ))
            }
        };
        let worlds = Worlds {
            client: world(Side::Client, gateways[0], setups[0])?,
            server: world(Side::Server, gateways[1], setups[1])?,
        };
        let disruptive = Disruptive::of(scenario, &worlds, setups);
        Ok(Self { worlds, disruptive })
    }

    /// Renames everything in the scenario.
    pub(crate) fn scenario(&self, scenario: &mut Scenario) {
        self.worlds.scenario(scenario);
    }

    /// Renames manifests.
    pub(crate) fn manifests(&self, side: Side, manifests: &mut [Manifest]) {
        let world = self.worlds.of(side);
        for manifest in manifests {
            let (kind, name) = (manifest.gvk.kind.clone(), manifest.name.clone());
            let namespace = namespace_of(manifest).to_owned();
            let owner = Owner {
                kind: &kind,
                namespace: &namespace,
                name: &name,
            };
            world.object(owner, &mut manifest.object);
            let text = |pointer: &str| {
                let found = manifest.object.pointer(pointer).and_then(Value::as_str);
                found.map(str::to_owned)
            };
            (manifest.name, manifest.namespace) = (
                text("/metadata/name").unwrap_or(name),
                text("/metadata/namespace"),
            );
        }
    }
}

/// Namespaces that the scenario makes. That of the gateways is others', whatever the scenario says.
fn declared(cluster: &Cluster, setup: &Setup, gateways: &str) -> BTreeSet<String> {
    let named = cluster.namespaces.keys().map(|name| name.value.clone());
    let manifests = setup.manifests.iter();
    let made = manifests.filter(|manifest| manifest.gvk.kind == "Namespace");
    let made = made.map(|manifest| manifest.name.clone());
    named.chain(made).filter(|name| name != gateways).collect()
}

/// Finds what the scenario makes beside others' objects.
fn furnished(mut world: World, side: Side, scenario: &Scenario, setup: &Setup) -> World {
    let cluster = scenario.clusters.get(side);
    for name in cluster.secrets.keys() {
        world.create("Secret", &name.namespace, &name.name);
    }
    for manifest in &setup.manifests {
        let namespace = namespace_of(manifest).to_owned();
        world.learn(
            &manifest.gvk.kind,
            &namespace,
            &manifest.name,
            &manifest.object,
        );
    }
    let overlays = scenario.all_overlays().flat_map(Overlay::edits);
    for (_, key, edit) in overlays.filter(|(of, ..)| *of == side) {
        if let Some(new) = &edit.create {
            world.learn(&key.kind, &key.namespace, &key.name, &new.value);
        } else if edit.secret.is_some() {
            world.create("Secret", &key.namespace, &key.name);
        }
    }
    world
}

impl World {
    fn create(&mut self, kind: &str, namespace: &str, name: &str) {
        if !self.declared.contains(namespace) {
            let key = (kind.to_owned(), namespace.to_owned(), name.to_owned());
            self.created.insert(key);
        }
    }

    /// Learns of an object that the scenario makes.
    fn learn(&mut self, kind: &str, namespace: &str, name: &str, object: &Value) {
        if kind == "Namespace" {
            return;
        }
        self.create(kind, namespace, name);
        if kind == "DestinationRule" && object.pointer("/spec/workloadSelector").is_some() {
            self.of_sidecars
                .insert((namespace.to_owned(), name.to_owned()));
        }
        if fields::WORKLOADS.contains(&kind) && !self.declared.contains(namespace) {
            let selector = object.pointer("/spec/selector/matchLabels");
            let pairs = selector.and_then(Value::as_object).into_iter().flatten();
            self.labels.extend(pairs.filter_map(|(key, value)| {
                Some((
                    namespace.to_owned(),
                    key.clone(),
                    value.as_str()?.to_owned(),
                ))
            }));
        }
    }
}
