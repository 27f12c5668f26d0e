//! What proxies with the same outlook see of the cluster. All that a sidecar is told about the way out
//! follows from it, so that proxies of one class share what is compiled.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    access_log::LogPlan,
    mtls,
    outbound::{self, Places, Tenant},
};
use crate::{
    MeshConfig, Objects,
    api::{
        self, Labels, peer_authentication::Mode, sidecar::OutboundMode, sidecar::Sidecar,
        virtual_service::VirtualService,
    },
    host,
    objects::{
        Config, Same,
        pod::{Pod, ProxyKind},
        rules::MergedRule,
        service::{Port, Registry, Service, exported},
    },
};

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
    /// Visible services, the oldest first, one for each host.
    pub(crate) services: Vec<Arc<Service>>,
    by_host: HashMap<String, usize>,
    routes: Routes,
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
}

/// Routes of the mesh in Istio's order, found by a service's host.
#[derive(Default)]
struct Routes {
    all: Vec<Arc<Config<VirtualService>>>,
    exact: HashMap<String, Vec<usize>>,
    wild: Vec<usize>,
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
            services: Vec::new(),
            by_host: HashMap::new(),
            routes: Routes::default(),
            places: Places::default(),
        };
        outlook.routes = Routes::of(outlook.virtual_services("mesh"));
        outlook.gather();
        if outlook.kind == ProxyKind::Sidecar {
            outlook.places = outbound::places(&outlook.services);
        }
        outlook
    }

    fn gather(&mut self) {
        let objects = self.objects;
        let wanted = self.wanted_hosts();
        for service in &objects.services {
            if service.is_visible_to(self.namespace) && wanted.as_ref().is_none_or(|w| w(service)) {
                self.add(service);
            }
        }
    }

    /// The filter of a `Sidecar`'s egress hosts; a destination of a visible route counts as wanted.
    fn wanted_hosts(&self) -> Option<impl Fn(&Service) -> bool + use<'a>> {
        let egress = self.sidecar?.egress.first()?;
        let namespace = self.namespace;
        let routes = self.routes.all.iter();
        let routed: BTreeSet<String> = routes.flat_map(|v| destinations(&v.spec)).collect();
        Some(move |s: &Service| {
            routed.contains(&s.host)
                || egress
                    .hosts
                    .iter()
                    .any(|h| covers(h, namespace, &s.namespace, &s.host))
        })
    }

    /// Adds a service; of two for one host the older stands, but Kubernetes' before others.
    fn add(&mut self, service: &Arc<Service>) {
        let Some(index) = self.by_host.get(&service.host).copied() else {
            self.by_host
                .insert(service.host.clone(), self.services.len());
            self.services.push(Arc::clone(service));
            return;
        };
        let existing = &mut self.services[index];
        match (existing.registry, service.registry) {
            (Registry::External, Registry::Kubernetes) => *existing = Arc::clone(service),
            (Registry::External, Registry::External) => merge(existing, service),
            (Registry::Kubernetes, _) => {}
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

    /// The routes of the mesh for a service.
    pub(crate) fn routes(&self, host: &str) -> impl Iterator<Item = &Arc<Config<VirtualService>>> {
        self.routes.of_host(host)
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
            .filter(|v| gateway != "mesh" || self.sidecar_lists(v))
            .map(|v| (audience(v, self.namespace), v))
            .collect();
        found.sort_by_key(|(audience, _)| *audience);
        found.into_iter().map(|(_, v)| v).collect()
    }

    fn sidecar_lists(&self, service: &Config<VirtualService>) -> bool {
        let Some(egress) = self.sidecar.and_then(|s| s.egress.first()) else {
            return true;
        };
        let listed = |name: &String| {
            egress
                .hosts
                .iter()
                .any(|h| covers(h, self.namespace, &service.meta.namespace, name))
        };
        service.spec.hosts.iter().any(listed)
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

impl Routes {
    fn of(found: Vec<&Arc<Config<VirtualService>>>) -> Self {
        let mut routes = Self::default();
        for (index, config) in found.into_iter().enumerate() {
            let hosts: BTreeSet<&String> = config.spec.hosts.iter().collect();
            if hosts.iter().any(|h| h.contains('*')) {
                routes.wild.push(index);
            } else {
                for host in hosts {
                    routes.exact.entry(host.clone()).or_default().push(index);
                }
            }
            routes.all.push(Arc::clone(config));
        }
        routes
    }

    fn of_host(&self, host: &str) -> impl Iterator<Item = &Arc<Config<VirtualService>>> {
        let mut candidates: Vec<usize> = if host.contains('*') {
            (0..self.all.len()).collect()
        } else {
            let exact = self.exact.get(host).into_iter().flatten();
            exact.chain(&self.wild).copied().collect()
        };
        candidates.sort_unstable();
        let matches = move |v: &&Arc<Config<VirtualService>>| {
            v.spec.hosts.iter().any(|h| host::matches(h, host))
        };
        candidates.into_iter().map(|i| &self.all[i]).filter(matches)
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

fn destinations(service: &VirtualService) -> impl Iterator<Item = String> {
    let tls = service.tls.iter().flat_map(|r| &r.route);
    let tcp = service.tcp.iter().flat_map(|r| &r.route);
    tls.chain(tcp)
        .filter_map(|r| r.destination.as_ref())
        .map(|d| d.host.clone())
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

/// Whether `namespace/host` of a `Sidecar` in `own` covers a host of another namespace.
fn covers(entry: &str, own: &str, namespace: &str, name: &str) -> bool {
    let Some((wanted, pattern)) = entry.split_once('/') else {
        return false;
    };
    let namespace_fits = match wanted {
        "*" => true,
        "." => namespace == own,
        "~" => false,
        other => namespace == other,
    };
    namespace_fits
        && (host::subset_of(name, pattern)
            || (name.starts_with('*') && host::matches(name, pattern)))
}

/// Ports that the later declaration of the same host adds, within one namespace.
fn merge(existing: &mut Arc<Service>, other: &Service) {
    if existing.namespace != other.namespace || existing.resolution != other.resolution {
        return;
    }
    let fresh: Vec<&Port> = other
        .ports
        .iter()
        .filter(|p| !existing.ports.iter().any(|e| e.number == p.number))
        .collect();
    if fresh.is_empty() {
        return;
    }
    let merged = Arc::make_mut(existing);
    for port in fresh {
        merged.ports.push(port.clone());
        let endpoints = other.endpoints.iter();
        let of_port = endpoints.filter(|e| e.service_port == port.number);
        merged.endpoints.extend(of_port.cloned());
    }
}
