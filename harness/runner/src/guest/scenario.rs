//! A bound scenario under the names of a run: what it declares, and what its cases expect.

use indexmap::IndexMap;
use meshproof_scenario::{
    At, Case, Cluster, Edit, Hop, ObjectKey, ObjectName, Overlay, Scenario, Side,
};

use super::references::World;

/// Both clusters' worlds.
#[derive(Clone, Debug)]
pub(crate) struct Worlds {
    pub(crate) client: World,
    pub(crate) server: World,
}

impl Worlds {
    /// The cluster of a side.
    pub(crate) fn of(&self, side: Side) -> &World {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// The cluster that a proxy runs in.
    fn at(&self, hop: Hop) -> &World {
        match hop {
            Hop::Client | Hop::ClientSidecar | Hop::Egress => &self.client,
            Hop::Network | Hop::Ingress | Hop::ServerSidecar | Hop::Mysqld => &self.server,
        }
    }

    /// Renames everything in the scenario; its manifests are others' to rename.
    pub(super) fn scenario(&self, scenario: &mut Scenario) {
        // Where pods are has to be known by their names before.
        let mut sides = IndexMap::new();
        for (side, cluster) in scenario.clusters.iter() {
            sides.extend(cluster.pods.keys().map(|name| (name.value.clone(), side)));
        }
        self.client.cluster(&mut scenario.clusters.client);
        self.server.cluster(&mut scenario.clusters.server);
        let database = self.of(scenario.database.cluster.value);
        database.named("Deployment", &mut scenario.database.workload.value);
        database.named("Secret", &mut scenario.database.password.secret.value);
        for overlay in scenario.all_overlays_mut() {
            self.overlay(overlay);
        }
        for case in &mut scenario.cases.value {
            let from = sides.get(case.value.from.as_str()).copied();
            self.case(from.unwrap_or(Side::Client), &mut case.value);
        }
    }

    fn overlay(&self, overlay: &mut Overlay) {
        self.client.edits(&mut overlay.client);
        self.server.edits(&mut overlay.server);
    }

    fn case(&self, from: Side, case: &mut Case) {
        let here = self.of(from);
        case.to.value = here.endpoint(&case.to);
        if let Some(sni) = case.tls.as_mut().and_then(|tls| tls.value.sni.as_mut()) {
            // Who is asked for may be in either cluster.
            sni.value = self.server.sni(&here.sni(sni));
        }
        let expect = &mut case.expect.value;
        for hop in &mut expect.path {
            let world = self.at(hop.value.hop.value);
            let hop = &mut hop.value;
            for (text, rename) in [
                (
                    &mut hop.cluster,
                    World::envoy_cluster as fn(&World, &str) -> String,
                ),
                (&mut hop.upstream, World::endpoint),
                (&mut hop.sni, World::sni),
            ] {
                if let Some(text) = text {
                    text.value = rename(world, text);
                }
            }
        }
        for leg in &mut expect.legs {
            let world = self.at(leg.value.from.value);
            if let Some(peer) = &mut leg.value.peer {
                peer.value = world.principal(peer);
            }
        }
    }
}

impl World {
    fn cluster(&self, cluster: &mut Cluster) {
        let namespaces = std::mem::take(&mut cluster.namespaces).into_iter();
        cluster.namespaces = namespaces
            .map(|(name, namespace)| (At::new(self.namespace(&name), name.pos), namespace))
            .collect();
        let secrets = std::mem::take(&mut cluster.secrets).into_iter();
        cluster.secrets = secrets
            .map(|(mut name, secret)| {
                self.named("Secret", &mut name.value);
                (name, secret)
            })
            .collect();
        for patch in &mut cluster.patches {
            self.named("Service", &mut patch.service.value);
        }
        for pod in cluster.pods.values_mut() {
            pod.namespace.value = self.namespace(&pod.namespace);
            for value in pod.env.values_mut() {
                value.value = self.endpoint(value);
            }
        }
    }

    fn named(&self, kind: &str, object: &mut ObjectName) {
        object.name = self.name(kind, &object.namespace, &object.name);
        object.namespace = self.namespace(&object.namespace);
    }

    fn edits(&self, edits: &mut IndexMap<At<ObjectKey>, At<Edit>>) {
        *edits = std::mem::take(edits)
            .into_iter()
            .map(|(mut key, mut edit)| {
                self.edit(&key.value, &mut edit.value);
                key.value = self.key(&key.value);
                (key, edit)
            })
            .collect();
    }
}
