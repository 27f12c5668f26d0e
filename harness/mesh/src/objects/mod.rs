//! An immutable snapshot of a cluster.

mod aliases;
mod completed;
pub(crate) mod endpoints;
pub(crate) mod locality;
mod mounts;
pub(crate) mod pod;
mod pool;
mod reading;
pub(crate) mod rules;
mod same;
pub(crate) mod service;
mod workloads;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use serde_json::Value;

use crate::{
    MeshConfig,
    api::{
        Labels, authorization_policy::AuthorizationPolicy, destination_rule::DestinationRule,
        gateway::Gateway, peer_authentication::PeerAuthentication, sidecar::Sidecar,
        telemetry::Telemetry, virtual_service::VirtualService,
    },
};
use completed::{BySelector, Completed, People};
use locality::{Locality, Nodes};
use pod::Pod;
use reading::{Known, Library};
use rules::RuleIndex;
pub(crate) use same::Same;
use service::Service;
use workloads::Workload;

/// A pod with an `istio-proxy` container, among `containers` or as a native sidecar among
/// `initContainers`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyId {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
}

impl fmt::Display for ProxyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What every object has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Meta {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) labels: Labels,
    pub(crate) annotations: Labels,
    /// RFC 3339, so that text order is time order; empty where unknown.
    pub(crate) created: String,
}

impl Meta {
    fn of(object: &Value) -> Self {
        let meta = &object["metadata"];
        let text = |field: &str| meta[field].as_str().unwrap_or_default().to_owned();
        Self {
            name: text("name"),
            namespace: text("namespace"),
            labels: string_map(&meta["labels"]),
            annotations: string_map(&meta["annotations"]),
            created: text("creationTimestamp"),
        }
    }

    /// Istio's order of configuration: the oldest first, then by name.
    pub(crate) fn order(&self) -> (&str, &str, &str) {
        (&self.created, &self.name, &self.namespace)
    }
}

/// An Istio resource.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config<T> {
    pub(crate) meta: Meta,
    pub(crate) spec: T,
}

/// The strings of a JSON map.
pub(crate) fn string_map(value: &Value) -> Labels {
    value
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
        .collect()
}

/// Whole objects of the core API by namespace and name: Secrets, their data still in base64, and
/// `ConfigMap`s.
pub(crate) type ByName = BTreeMap<(String, String), Arc<Value>>;

/// Kubernetes and Istio objects of one cluster, read once.
#[derive(Debug)]
pub struct Objects {
    mesh: Arc<MeshConfig>,
    pub(crate) pods: BTreeMap<ProxyId, Arc<Pod>>,
    /// The oldest first.
    pub(crate) services: Vec<Arc<Service>>,
    services_by_host: HashMap<String, Vec<usize>>,
    by_selector: BySelector,
    nodes: Nodes,
    /// Labels by which rules tell near endpoints from far ones.
    near_labels: BTreeSet<String>,
    /// Whether some service keeps to the client's node.
    has_node_local: bool,
    pub(crate) secrets: ByName,
    pub(crate) config_maps: ByName,
    pub(crate) gateways: Vec<Arc<Config<Gateway>>>,
    pub(crate) virtual_services: Vec<Arc<Config<VirtualService>>>,
    pub(crate) rules: Arc<RuleIndex>,
    pub(crate) peer_authentications: Vec<Arc<Config<PeerAuthentication>>>,
    pub(crate) authorization_policies: Vec<Arc<Config<AuthorizationPolicy>>>,
    pub(crate) telemetries: Vec<Arc<Config<Telemetry>>>,
    pub(crate) sidecars: Vec<Arc<Config<Sidecar>>>,
    /// All labels by which outbound rules and routes choose their clients.
    pub(crate) client_selectors: BTreeSet<Labels>,
    destination_rules: Vec<Arc<Config<DestinationRule>>>,
    library: Library,
    completed: Completed,
}

impl Objects {
    /// Reads `objects` as an API server stores them (a Secret has `data`, not `stringData`).
    /// An object that [`crate::admit`] refuses takes no effect.
    pub fn new(mesh: Arc<MeshConfig>, objects: impl IntoIterator<Item = Arc<Value>>) -> Self {
        Self::read(mesh, objects, None)
    }

    /// The same as [`Objects::new`] with less work: what `self` has of an object is taken over where the
    /// object is the same `Arc`, or says the same.
    #[must_use]
    pub fn next(
        &self,
        mesh: Arc<MeshConfig>,
        objects: impl IntoIterator<Item = Arc<Value>>,
    ) -> Self {
        // What is read depends on the mesh configuration.
        let before = Arc::ptr_eq(&mesh, &self.mesh).then_some(self);
        Self::read(mesh, objects, before)
    }

    fn read(
        mesh: Arc<MeshConfig>,
        objects: impl IntoIterator<Item = Arc<Value>>,
        before: Option<&Self>,
    ) -> Self {
        let none = Library::default();
        let known = before.map_or(&none, |b| &b.library);
        let mut found = Sorted::default();
        for object in objects {
            found.take(&object, &mesh, known);
        }
        found.into_objects(mesh, before)
    }

    /// The mesh configuration that the snapshot was made with.
    pub fn mesh(&self) -> &MeshConfig {
        &self.mesh
    }

    /// All pods, in order of namespace and name.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values().map(Arc::as_ref)
    }

    pub(crate) fn shared_mesh(&self) -> &Arc<MeshConfig> {
        &self.mesh
    }

    /// Pods that run a proxy, in order of namespace and name. Those without an address yet are among
    /// them: a proxy can be configured before its pod is known to others.
    pub fn proxies(&self) -> Vec<ProxyId> {
        self.pods
            .iter()
            .filter(|(_, p)| p.proxy.is_some())
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// The services of a host, the oldest first.
    pub(crate) fn services_of_host(&self, host: &str) -> impl Iterator<Item = &Arc<Service>> {
        let found = self.services_by_host.get(host).into_iter().flatten();
        found.map(|index| &self.services[*index])
    }

    /// What of a pod decides which endpoints are near it.
    pub(crate) fn client(&self, pod: &Pod) -> Client {
        let locality = Locality::of_pod(pod, &self.nodes);
        let mut labels = pod.meta.labels.clone();
        locality.add_to(&mut labels);
        labels.insert("kubernetes.io/hostname".into(), pod.node.clone());
        labels.retain(|name, _| self.near_labels.contains(name));
        let node = if self.has_node_local { &pod.node } else { "" };
        Client {
            locality,
            labels,
            node: node.to_owned(),
        }
    }

    /// The services of a pod, the oldest first.
    pub(crate) fn services_of(&self, pod: &Pod) -> impl Iterator<Item = &Arc<Service>> {
        self.by_selector
            .of_pod(pod)
            .into_iter()
            .map(|index| &self.services[index])
            .filter(|service| service.selects(pod))
    }
}

/// Where a proxy is, as far as it decides which endpoints are near.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) locality: Locality,
    /// Those that rules ask for.
    pub(crate) labels: Labels,
    /// Empty where no service asks for it.
    pub(crate) node: String,
}

/// Objects by kind, as they come.
#[derive(Default)]
struct Sorted {
    library: Library,
    pods: BTreeMap<ProxyId, Arc<Pod>>,
    services: Vec<Arc<Service>>,
    secrets: ByName,
    config_maps: ByName,
    gateways: Vec<Arc<Config<Gateway>>>,
    virtual_services: Vec<Arc<Config<VirtualService>>>,
    service_entries: Vec<Arc<Config<Vec<Arc<Service>>>>>,
    destination_rules: Vec<Arc<Config<DestinationRule>>>,
    peer_authentications: Vec<Arc<Config<PeerAuthentication>>>,
    authorization_policies: Vec<Arc<Config<AuthorizationPolicy>>>,
    telemetries: Vec<Arc<Config<Telemetry>>>,
    sidecars: Vec<Arc<Config<Sidecar>>>,
    workloads: Vec<Arc<Workload>>,
    nodes: Nodes,
}

impl Sorted {
    fn take(&mut self, object: &Arc<Value>, mesh: &MeshConfig, before: &Library) {
        match self.library.read(object, mesh, before) {
            Known::Pod(pod) => self.pod(pod),
            Known::Service(service) => self.services.push(service),
            Known::Secret => put(&mut self.secrets, object),
            Known::ConfigMap => put(&mut self.config_maps, object),
            Known::Gateway(config) => self.gateways.push(config),
            Known::VirtualService(config) => self.virtual_services.push(config),
            Known::ServiceEntry(config) => self.service_entries.push(config),
            Known::DestinationRule(config) => self.destination_rules.push(config),
            Known::PeerAuthentication(config) => self.peer_authentications.push(config),
            Known::AuthorizationPolicy(config) => self.authorization_policies.push(config),
            Known::Telemetry(config) => self.telemetries.push(config),
            Known::Sidecar(config) => self.sidecars.push(config),
            Known::WorkloadEntry(workload) => self.workloads.push(workload),
            Known::Node(name, locality) => {
                self.nodes.insert(name, locality);
            }
            Known::Nothing => {}
        }
    }

    fn pod(&mut self, pod: Arc<Pod>) {
        let id = ProxyId {
            namespace: pod.meta.namespace.clone(),
            name: pod.meta.name.clone(),
        };
        self.pods.insert(id, pod);
    }

    fn into_objects(mut self, mesh: Arc<MeshConfig>, before: Option<&Objects>) -> Objects {
        sort(&mut self.gateways);
        sort(&mut self.virtual_services);
        sort(&mut self.service_entries);
        sort(&mut self.peer_authentications);
        sort(&mut self.authorization_policies);
        sort(&mut self.telemetries);
        sort(&mut self.sidecars);
        let declared = self.service_entries.iter().flat_map(|e| &e.spec);
        self.services.extend(declared.cloned());
        self.services
            .sort_by(|a, b| completed::order(a).cmp(&completed::order(b)));
        let people = People {
            pods: &self.pods,
            workloads: &self.workloads,
            nodes: &self.nodes,
        };
        // Where pods are may be another thing with other nodes.
        let known = before.filter(|b| b.nodes == self.nodes);
        let completed = Completed::of(&self.services, &people, &mesh, known.map(|b| &b.completed));
        let services = completed.in_order(&self.services);
        let mut services_by_host: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, service) in services.iter().enumerate() {
            let same = services_by_host.entry(service.host.clone()).or_default();
            same.push(index);
        }
        let rules = rules(&self.destination_rules, &mesh, before);
        Objects {
            client_selectors: client_selectors(&self.virtual_services, &self.destination_rules),
            near_labels: near_labels(&self.destination_rules, &mesh),
            has_node_local: services.iter().any(|s| s.node_local),
            by_selector: BySelector::of(&services),
            services_by_host,
            nodes: self.nodes,
            rules,
            mesh,
            pods: self.pods,
            services,
            secrets: self.secrets,
            config_maps: self.config_maps,
            gateways: self.gateways,
            virtual_services: self.virtual_services,
            peer_authentications: self.peer_authentications,
            authorization_policies: self.authorization_policies,
            telemetries: self.telemetries,
            sidecars: self.sidecars,
            destination_rules: self.destination_rules,
            library: self.library,
            completed,
        }
    }
}

/// Who sees an object, where it does not say so itself.
pub(crate) fn default_to(export_to: &mut Vec<String>, said: &[String]) {
    if export_to.is_empty() {
        *export_to = said.to_vec();
    }
}

fn put(list: &mut ByName, object: &Arc<Value>) {
    let meta = Meta::of(object);
    list.insert((meta.namespace, meta.name), Arc::clone(object));
}

fn rules(
    all: &[Arc<Config<DestinationRule>>],
    mesh: &MeshConfig,
    before: Option<&Objects>,
) -> Arc<RuleIndex> {
    let is_same = |b: &&Objects| {
        let pairs = b.destination_rules.iter().zip(all);
        b.destination_rules.len() == all.len() && pairs.into_iter().all(|(a, b)| Arc::ptr_eq(a, b))
    };
    match before.filter(is_same) {
        Some(before) => Arc::clone(&before.rules),
        None => Arc::new(RuleIndex::of(
            all.to_vec(),
            mesh.root_namespace(),
            before.map(|b| &*b.rules),
        )),
    }
}

fn client_selectors(
    routes: &[Arc<Config<VirtualService>>],
    rules: &[Arc<Config<DestinationRule>>],
) -> BTreeSet<Labels> {
    let of_routes = routes.iter().flat_map(|c| c.spec.source_labels());
    let of_rules = rules
        .iter()
        .filter_map(|c| c.spec.workload_selector.as_ref())
        .map(|s| &s.match_labels);
    of_routes.chain(of_rules).cloned().collect()
}

/// The names of labels in `failoverPriority`, without the values that some give them.
fn near_labels(rules: &[Arc<Config<DestinationRule>>], mesh: &MeshConfig) -> BTreeSet<String> {
    let name = |text: &String| text.split('=').next().unwrap_or_default().to_owned();
    let said = rules.iter().flat_map(|c| c.spec.failover_priorities());
    let said = said.chain(&mesh.locality_lb().failover_priority);
    said.map(name).collect()
}

fn sort<T>(list: &mut [Arc<Config<T>>]) {
    list.sort_by(|a, b| a.meta.order().cmp(&b.meta.order()));
}
