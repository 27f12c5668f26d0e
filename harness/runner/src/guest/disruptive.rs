//! What reaches beyond a run whatever its objects are called: cases that need it run only when asked for.

use std::collections::BTreeMap;

use json_patch::{Patch, PatchOperation};
use meshproof_cluster::Manifest;
use meshproof_scenario::{Case, Edit, ObjectKey, ObjectName, Overlay, Scenario, Side};
use serde_json::Value;

use super::references::World;
use super::scenario::Worlds;
use crate::environment::overlays;
use crate::setup::Setup;
use crate::variation::edited;

/// Kinds that act on whatever is in their namespace or, in the mesh's root namespace, in the whole mesh.
const FOR_ALL: &[&str] = &[
    "AuthorizationPolicy",
    "DestinationRule",
    "EnvoyFilter",
    "PeerAuthentication",
    "ProxyConfig",
    "RequestAuthentication",
    "Sidecar",
    "Telemetry",
    "WasmPlugin",
];

/// Kinds without a namespace: what is made of them is there for the whole cluster.
const CLUSTER_WIDE: &[&str] = &[
    "APIService",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "GatewayClass",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "PersistentVolume",
    "PriorityClass",
    "StorageClass",
    "ValidatingWebhookConfiguration",
];

/// Why cases reach beyond their run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disruptive {
    /// What the scenario sets up for all its cases.
    scenario: Option<String>,
    /// By the case's name.
    cases: BTreeMap<String, String>,
    /// By the name of the case that is sabotaged.
    sabotages: BTreeMap<String, String>,
}

impl Disruptive {
    /// Looks at a bound scenario under its own names.
    pub(super) fn of(scenario: &Scenario, worlds: &Worlds, setups: [&Setup; 2]) -> Self {
        let look = Look {
            worlds,
            client: setups[0],
            server: setups[1],
        };
        let mut found = Self {
            scenario: look.scenario(scenario),
            ..Self::default()
        };
        for case in scenario.cases.iter() {
            let all = overlays(scenario, case);
            let during = case.during.iter().map(|at| &at.value);
            let with: Vec<&Overlay> = all.iter().copied().chain(during).collect();
            let name = || case.name.value.clone();
            if let Some(why) = look.overlays(&with) {
                found.cases.insert(name(), why);
            } else if let Some(sabotage) = &case.sabotage {
                let with: Vec<&Overlay> = all.into_iter().chain([&sabotage.value]).collect();
                if let Some(why) = look.overlays(&with) {
                    found.sabotages.insert(name(), why);
                }
            }
        }
        found
    }

    /// Why a case is not for clusters that others use, itself or its control; `sabotaged` asks for the case
    /// under its sabotage.
    pub(crate) fn why(&self, case: &Case, sabotaged: bool) -> Option<String> {
        if let Some(why) = &self.scenario {
            return Some(format!("its scenario {why}"));
        }
        let own = self.cases.get(case.name.value.as_str());
        if let Some(why) = own {
            return Some(format!("it {why}"));
        }
        let control = case.control.as_ref();
        if let Some((control, why)) =
            control.and_then(|name| Some((name, self.cases.get(name.value.as_str())?)))
        {
            return Some(format!("its control {control} {why}"));
        }
        let sabotage = self.sabotages.get(case.name.value.as_str());
        let sabotage = sabotage.filter(|_| sabotaged)?;
        Some(format!("its sabotage {sabotage}"))
    }
}

struct Look<'a> {
    worlds: &'a Worlds,
    client: &'a Setup,
    server: &'a Setup,
}

impl Look<'_> {
    fn setup(&self, side: Side) -> &Setup {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    /// What is set up for all cases.
    fn scenario(&self, scenario: &Scenario) -> Option<String> {
        let clusters = scenario.clusters.iter();
        let mut found = clusters.filter_map(|(side, cluster)| {
            let (world, setup) = (self.worlds.of(side), self.setup(side));
            let shared = cluster.namespaces.keys();
            let mut shared = shared.filter(|name| !world.declared.contains(name.as_str()));
            let namespace = shared
                .next()
                .map(|name| format!("sets labels of namespace {name}, which the gateways are in"));
            let mut manifests = setup.manifests.iter();
            let manifest = || manifests.find_map(|manifest| whole(world, manifest));
            let patches = setup.patches.iter();
            let mut patches = patches.filter(|(of, _)| !world.declared.contains(&of.namespace));
            let patch = || patches.find_map(|(service, patch)| beyond_ports(service, patch));
            let found = namespace.or_else(manifest).or_else(patch);
            found.map(|why| format!("{why} (cluster {side})"))
        });
        found.next().or_else(|| self.overlays(&[]))
    }

    /// What overlays do, one on the other.
    fn overlays(&self, overlays: &[&Overlay]) -> Option<String> {
        let mut edits = overlays.iter().flat_map(|overlay| overlay.edits());
        let touched = edits.find_map(|(side, key, edit)| {
            let why = edit_of(self.worlds.of(side), &key.value, &edit.value)?;
            Some(format!("{why} (cluster {side})"))
        });
        let mut sides = [Side::Client, Side::Server].into_iter();
        touched.or_else(|| sides.find_map(|side| self.gateways(side, overlays)))
    }

    /// Servers of Gateways as the overlays leave them.
    fn gateways(&self, side: Side, overlays: &[&Overlay]) -> Option<String> {
        let mut gateways: BTreeMap<(String, String), Value> = BTreeMap::new();
        for manifest in &self.setup(side).manifests {
            if manifest.gvk.kind == "Gateway" {
                let namespace = namespace_of(manifest).to_owned();
                gateways.insert((namespace, manifest.name.clone()), manifest.object.clone());
            }
        }
        for (of, key, edit) in overlays.iter().flat_map(|overlay| overlay.edits()) {
            if of != side || key.kind != "Gateway" {
                continue;
            }
            let at = (key.namespace.clone(), key.name.clone());
            let before = gateways.remove(&at);
            // An edit that does not fit is told when it is made.
            if let Ok(Some(after)) = edited(&key.value, before, &edit.value, None) {
                gateways.insert(at, after);
            }
        }
        gateways.iter().find_map(|((namespace, name), gateway)| {
            let servers = gateway.pointer("/spec/servers")?.as_array()?;
            let why = servers.iter().find_map(claims)?;
            Some(format!(
                "has Gateway {namespace}/{name} take {why} at a gateway that others use (cluster {side})"
            ))
        })
    }
}

/// The namespace that a manifest is applied to.
pub(super) fn namespace_of(manifest: &Manifest) -> &str {
    manifest.namespace.as_deref().unwrap_or("default")
}

/// What a server takes from others: everything that is not told apart by an exact server name.
fn claims(server: &Value) -> Option<String> {
    let port = server.pointer("/port/number").cloned().unwrap_or_default();
    let protocol = server.pointer("/port/protocol").and_then(Value::as_str);
    let by_name = matches!(protocol, Some("TLS" | "HTTPS")) && server.get("tls").is_some();
    if !by_name {
        return Some(format!("every connection to port {port}"));
    }
    let hosts = server.get("hosts").and_then(Value::as_array);
    let mut hosts = hosts.into_iter().flatten().filter_map(Value::as_str);
    let wide = hosts.find(|host| {
        host.rsplit('/')
            .next()
            .is_some_and(|host| host.contains('*'))
    })?;
    Some(format!("server names `{wide}` on port {port}"))
}

/// A manifest that acts on others.
fn whole(world: &World, manifest: &Manifest) -> Option<String> {
    let kind = manifest.gvk.kind.as_str();
    if CLUSTER_WIDE.contains(&kind) {
        return Some(format!(
            "makes {}, which is for the whole cluster",
            manifest.title()
        ));
    }
    let namespace = namespace_of(manifest);
    if kind == "Namespace" || world.declared.contains(namespace) {
        return beyond_itself(kind, &manifest.title(), &manifest.object)
            .or_else(|| bound(world, namespace, &manifest.object));
    }
    for_all(kind, namespace, &manifest.name)
        .or_else(|| beyond_itself(kind, &manifest.title(), &manifest.object))
}

fn for_all(kind: &str, namespace: &str, name: &str) -> Option<String> {
    FOR_ALL.contains(&kind).then(|| {
        format!("makes {kind} {namespace}/{name}, which acts on what others have in that namespace")
    })
}

/// A Service that takes an address which is not given to it.
fn beyond_itself(kind: &str, title: &str, object: &Value) -> Option<String> {
    let spec = object.get("spec")?;
    let address = spec.get("clusterIP").and_then(Value::as_str);
    let chosen = address.is_some_and(|address| !address.is_empty() && address != "None");
    let external = spec.get("externalIPs").is_some();
    (kind == "Service" && (chosen || external))
        .then(|| format!("makes {title}, which takes an address of its own choice"))
}

/// A route at a Gateway that is not the scenario's.
fn bound(world: &World, namespace: &str, object: &Value) -> Option<String> {
    if object.get("kind").and_then(Value::as_str) != Some("VirtualService") {
        return None;
    }
    let gateways = object.pointer("/spec/gateways")?.as_array()?;
    let mut gateways = gateways.iter().filter_map(Value::as_str);
    let foreign = gateways.find(|gateway| {
        let (of, name) = gateway.split_once('/').unwrap_or((namespace, gateway));
        *gateway != "mesh" && !world.declared.contains(of) && !world.creates("Gateway", of, name)
    })?;
    Some(format!("routes at Gateway {foreign}, which is others'"))
}

/// A change that acts on others.
fn edit_of(world: &World, key: &ObjectKey, edit: &Edit) -> Option<String> {
    if let Some(new) = &edit.create
        && let Some(why) = beyond_itself(&key.kind, &key.to_string(), &new.value)
    {
        return Some(why);
    }
    if world.declared.contains(&key.namespace) {
        return None;
    }
    if let Some(why) = for_all(&key.kind, &key.namespace, &key.name) {
        return Some(why);
    }
    let others = !world.creates(&key.kind, &key.namespace, &key.name);
    others.then(|| format!("changes {key}, which others use"))
}

/// A patch that does more than to add ports.
fn beyond_ports(service: &ObjectName, patch: &Patch) -> Option<String> {
    let is_port = |operation: &PatchOperation| match operation {
        PatchOperation::Add(add) => {
            let path = add.path.to_string();
            path.rsplit_once('/')
                .is_some_and(|(list, _)| list == "/spec/ports")
        }
        _ => false,
    };
    let more = patch.0.iter().any(|operation| !is_port(operation));
    more.then(|| format!("changes more of Service {service} than to add ports, which others use"))
}
