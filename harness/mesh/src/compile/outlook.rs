//! What proxies with the same outlook see of the cluster. All that a sidecar is told about the way out
//! follows from it, so that proxies of one class share what is compiled.

mod imports;
mod routes;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    Conflict,
    access_log::LogPlan,
    mtls,
    outbound::{self, Places, Tenant},
};
use crate::{
    MeshConfig, Objects,
    api::{
        self, Labels,
        destination_rule::ConnectionPool,
        peer_authentication::Mode,
        sidecar::{Ingress, OutboundMode, Sidecar},
        virtual_service::VirtualService,
    },
    objects::{
        Client, Config, Same,
        pod::{Pod, ProxyKind},
        rules::MergedRule,
        service::{Port, Registry, Service, exported},
    },
};
pub(super) use imports::Import;
use imports::{visible, with_port};

const KUBERNETES_FIRST: &str = "a Service of Kubernetes comes before entries for its host";
const OLDEST_FIRST: &str = "the older says what the host is; endpoints of both are used where the \
                            namespace and the ports are the same";

/// The facts that one class of proxies shares.
pub(crate) struct Outlook<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) kind: ProxyKind,
    pub(crate) namespace: &'a str,
    pub(crate) log: Same<LogPlan>,
    sidecar: Option<&'a Sidecar>,
    /// Of the selectors by which outbound rules and routes choose their clients, those that choose
    /// these proxies.
    selectors: BTreeSet<&'a Labels>,
    /// What a sidecar's egress listeners take in; a gateway has none.
    pub(super) imports: Vec<Import<'a>>,
    /// All services, one for each host, in Istio's order.
    pub(crate) services: Vec<Arc<Service>>,
    by_host: HashMap<String, usize>,
    pub(crate) client: Client,
    /// Services that give way to others of the same host.
    pub(crate) conflicts: Vec<Conflict>,
    /// Where a sidecar has listeners for services.
    pub(crate) places: Places,
}

/// What tells one class of proxies from another.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct ClassKey<'a> {
    kind: ProxyKind,
    namespace: &'a str,
    sidecar: Option<*const Sidecar>,
    selectors: Vec<&'a Labels>,
    log: *const LogPlan,
    client: Client,
}

impl<'a> Outlook<'a> {
    /// The class of a pod with a proxy.
    pub(crate) fn class(objects: &'a Objects, pod: &'a Pod, log: &Arc<LogPlan>) -> ClassKey<'a> {
        let kind = pod.proxy.unwrap_or(ProxyKind::Sidecar);
        let chosen = |s: &&Labels| api::selects(s, &pod.meta.labels);
        ClassKey {
            kind,
            namespace: &pod.meta.namespace,
            sidecar: sidecar_of(objects, pod, kind).map(std::ptr::from_ref),
            selectors: objects.client_selectors.iter().filter(chosen).collect(),
            log: Arc::as_ptr(log),
            client: objects.client(pod),
        }
    }

    /// What the proxy of `pod`, and every other of its class, sees.
    pub(crate) fn of(objects: &'a Objects, pod: &'a Pod, log: Arc<LogPlan>) -> Self {
        let key = Self::class(objects, pod, &log);
        let mut outlook = Self {
            objects,
            kind: key.kind,
            namespace: key.namespace,
            log: Same(log),
            sidecar: sidecar_of(objects, pod, key.kind),
            selectors: key.selectors.into_iter().collect(),
            imports: Vec::new(),
            services: Vec::new(),
            by_host: HashMap::new(),
            client: key.client,
            conflicts: Vec::new(),
            places: Places::default(),
        };
        match outlook.kind {
            ProxyKind::Router => {
                for service in visible(objects, outlook.namespace) {
                    outlook.add(Arc::clone(service));
                }
            }
            ProxyKind::Sidecar => {
                outlook.import();
                outlook.places = outbound::places(&outlook.imports);
            }
        }
        outlook
    }

    /// Fills the listeners of a sidecar, then all services: for each listener those that it takes in, and
    /// then those that its routes lead to (`collectImportedServices` in `pilot/pkg/model/sidecar.go`).
    fn import(&mut self) {
        let (objects, namespace) = (self.objects, self.namespace);
        let routes = self.virtual_services("mesh");
        let egress = self.sidecar.map_or(&[][..], |s| &s.egress);
        let conflicts = &mut self.conflicts;
        let mut imports: Vec<Import<'a>> = egress
            .iter()
            .map(|e| Import::named(e, objects, namespace, &routes, conflicts))
            .collect();
        if imports.is_empty() {
            imports.push(Import::all(objects, namespace, routes, conflicts));
        }
        for import in &imports {
            for service in &import.services {
                self.add(Arc::clone(service));
            }
            let routes = import.routes.all();
            for (host, ports) in routes.flat_map(|v| destinations(&v.spec)) {
                if let Some(service) = self.routed(host, &ports, import.port()) {
                    self.add(service);
                }
            }
        }
        self.imports = imports;
    }

    /// The service that a route leads to, though no listener takes it in: of the proxy's own namespace,
    /// else a visible Service of Kubernetes, else the oldest that is visible.
    fn routed(
        &self,
        host: &str,
        ports: &BTreeSet<u32>,
        listener: Option<u32>,
    ) -> Option<Arc<Service>> {
        let kube = |s: &&Arc<Service>| s.registry == Registry::Kubernetes;
        let of_host = || self.objects.services_of_host(host);
        let own = || of_host().filter(|s| s.namespace == self.namespace);
        let seen = || of_host().filter(|s| s.is_visible_to(self.namespace));
        let service = own()
            .find(kube)
            .or_else(|| own().next())
            .or_else(|| seen().find(kube))
            .or_else(|| seen().next())?;
        if listener.is_some() {
            return with_port(service, listener);
        }
        // A destination without a port may mean any.
        if ports.is_empty() || ports.contains(&0) {
            return Some(Arc::clone(service));
        }
        let named = service.ports.iter();
        let named: Vec<Port> = named
            .filter(|p| ports.contains(&p.number))
            .cloned()
            .collect();
        match named.len() {
            0 => None,
            all if all == service.ports.len() => Some(Arc::clone(service)),
            _ => Some(service.with_ports(named).into()),
        }
    }

    /// Adds a service; of two for one host the older stands, but Kubernetes' before others, and ports
    /// that the later has alone are added where both are of one kind (`appendSidecarServices`).
    fn add(&mut self, service: Arc<Service>) {
        let Some(index) = self.by_host.get(&service.host).copied() else {
            self.by_host
                .insert(service.host.clone(), self.services.len());
            self.services.push(service);
            return;
        };
        let existing = &mut self.services[index];
        if Arc::ptr_eq(existing, &service) {
            return;
        }
        let place = format!("host {}", service.host);
        let (winner, loser) = (existing.origin.to_string(), service.origin.to_string());
        let (winner, loser, reason) = match (existing.registry, service.registry) {
            (Registry::Kubernetes, Registry::External) => (winner, loser, KUBERNETES_FIRST),
            (Registry::External, Registry::Kubernetes) => {
                *existing = service;
                (loser, winner, KUBERNETES_FIRST)
            }
            _ if existing.has_ports_of(&service) || !existing.can_merge(&service) => {
                (winner, loser, OLDEST_FIRST)
            }
            _ => return merge_ports(Arc::make_mut(existing), &service),
        };
        // An entry with several addresses is several services, and no conflict.
        if winner != loser {
            self.conflicts.push(Conflict {
                place,
                winner,
                loser,
                reason: reason.into(),
            });
        }
    }

    pub(crate) fn mesh(&self) -> &'a MeshConfig {
        self.objects.mesh()
    }

    pub(crate) fn service(&self, host: &str) -> Option<&Arc<Service>> {
        self.by_host.get(host).map(|i| &self.services[*i])
    }

    /// Whether a selector of clients chooses these proxies.
    pub(crate) fn is_selected(&self, selector: &Labels) -> bool {
        selector.is_empty() || self.selectors.contains(selector)
    }

    pub(crate) fn outbound_rule(&self, host: &str, namespace: &str) -> Option<&'a Arc<MergedRule>> {
        let rules = self.objects.rules.find(self.namespace, host, namespace);
        let selected = rules.iter().find(|r| {
            r.meta.namespace == self.namespace && r.selector().is_some_and(|s| self.is_selected(s))
        });
        selected.copied().or_else(|| without_selector(&rules))
    }

    pub(crate) fn inbound_rule(&self, host: &str, namespace: &str) -> Option<&'a Arc<MergedRule>> {
        without_selector(&self.objects.rules.find(self.namespace, host, namespace))
    }

    /// The routes of the mesh for a service that a listener takes in.
    pub(crate) fn routes(
        &self,
        import: usize,
        host: &str,
    ) -> impl Iterator<Item = &Arc<Config<VirtualService>>> {
        let import = self.imports.get(import).into_iter();
        import.flat_map(|i| i.routes.of_host(host))
    }

    /// What a `Sidecar` says is accepted, in place of what services say.
    pub(crate) fn ingress(&self) -> &'a [Ingress] {
        self.sidecar.map_or(&[], |s| &s.ingress)
    }

    /// What a `Sidecar` says of all inbound connections.
    pub(crate) fn inbound_pool(&self) -> Option<&'a ConnectionPool> {
        self.sidecar?.inbound_connection_pool.as_ref()
    }

    /// Routes bound to a gateway (`namespace/name`, or `mesh`) that are visible here: private ones first.
    pub(crate) fn virtual_services(&self, gateway: &str) -> Vec<&'a Arc<Config<VirtualService>>> {
        let bound = |v: &VirtualService| {
            if v.gateways.is_empty() {
                gateway == "mesh"
            } else {
                v.gateways.iter().any(|g| g == gateway)
            }
        };
        let mut found: Vec<(u8, &'a Arc<Config<VirtualService>>)> = self
            .objects
            .virtual_services
            .iter()
            .filter(|v| {
                bound(&v.spec) && exported(&v.spec.export_to, &v.meta.namespace, self.namespace)
            })
            .map(|v| (audience(v, self.namespace), v))
            .collect();
        found.sort_by_key(|(audience, _)| *audience);
        found.into_iter().map(|(_, v)| v).collect()
    }

    /// Whether traffic to unknown destinations is let out.
    pub(crate) fn lets_unknown_out(&self) -> bool {
        let own = self
            .sidecar
            .and_then(|s| s.outbound_traffic_policy)
            .map(|p| p.mode);
        own.unwrap_or(self.mesh().outbound_mode()) != OutboundMode::RegistryOnly
    }

    /// What a workload accepts at a port.
    pub(crate) fn mode_at(&self, namespace: &str, labels: &Labels, port: u32) -> Mode {
        mtls::policy_of(self.objects, namespace, labels).for_port(port)
    }

    /// The services that share a place, without those that are there for the endpoint `own`.
    pub(crate) fn tenants(&self, bind: &str, port: u32, own: Option<&str>) -> Vec<Tenant> {
        let tenants = self.places.tenants(bind, port);
        let others = tenants.filter(|t| !t.is_endpoint || own != Some(bind));
        others.cloned().collect()
    }
}

fn without_selector<'a>(rules: &[&'a Arc<MergedRule>]) -> Option<&'a Arc<MergedRule>> {
    rules.iter().rev().find(|r| r.selector().is_none()).copied()
}

/// 0 for routes of the namespace's own only, 1 for those exported to it by name, 2 for public ones.
fn audience(service: &Config<VirtualService>, namespace: &str) -> u8 {
    let export_to = &service.spec.export_to;
    if export_to.is_empty() || export_to.iter().any(|e| e == "*") {
        2
    } else {
        u8::from(service.meta.namespace != namespace)
    }
}

/// Hosts that a route leads to, each with the ports that are named; 0 stands for none.
fn destinations(service: &VirtualService) -> BTreeMap<&str, BTreeSet<u32>> {
    let tls = service.tls.iter().flat_map(|r| &r.route);
    let tcp = service.tcp.iter().flat_map(|r| &r.route);
    let mut found: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for destination in tls.chain(tcp).filter_map(|r| r.destination.as_ref()) {
        let port = destination.port.as_ref().map_or(0, |p| p.number);
        found
            .entry(&destination.host)
            .or_default()
            .insert(u32::try_from(port).unwrap_or_default());
    }
    found
}

/// The `Sidecar` of a pod: by selector, of its namespace, of the root namespace. A gateway has none.
fn sidecar_of<'a>(objects: &'a Objects, pod: &Pod, kind: ProxyKind) -> Option<&'a Sidecar> {
    if kind == ProxyKind::Router {
        return None;
    }
    let root = objects.mesh().root_namespace();
    let own = |c: &&Arc<Config<Sidecar>>| c.meta.namespace == pod.meta.namespace;
    let all = &objects.sidecars;
    let selected = all.iter().filter(own).find(|c| {
        c.spec
            .workload_selector
            .as_ref()
            .is_some_and(|s| api::selects(&s.labels, &pod.meta.labels))
    });
    let wide = |c: &&Arc<Config<Sidecar>>| c.spec.workload_selector.is_none();
    selected
        .or_else(|| all.iter().filter(own).find(wide))
        .or_else(|| all.iter().filter(|c| c.meta.namespace == root).find(wide))
        .map(|c| &c.spec)
}

/// Ports that a later service of the same host has alone.
fn merge_ports(existing: &mut Service, other: &Service) {
    let known: Vec<u32> = existing.ports.iter().map(|p| p.number).collect();
    let fresh = other.ports.iter().filter(|p| !known.contains(&p.number));
    existing.ports.extend(fresh.cloned());
}
