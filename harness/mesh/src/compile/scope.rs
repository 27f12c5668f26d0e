//! What one proxy sees of the cluster.

use std::{borrow::Cow, collections::HashMap};

use super::access_log::LogPlan;
use crate::{
    MeshConfig, Objects, ProxyId,
    api::{self, sidecar::OutboundMode, sidecar::Sidecar, virtual_service::VirtualService},
    host,
    objects::{
        Config,
        pod::{Pod, ProxyKind},
        rules::MergedRule,
        service::{Port, Registry, Service, Target, exported},
    },
};

/// A proxy and everything that is visible to it.
pub(crate) struct Scope<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) mesh: &'a MeshConfig,
    pub(crate) pod: &'a Pod,
    pub(crate) kind: ProxyKind,
    pub(crate) namespace: &'a str,
    /// Visible services, the oldest first, one for each host.
    pub(crate) services: Vec<Cow<'a, Service>>,
    by_host: HashMap<String, usize>,
    sidecar: Option<&'a Sidecar>,
    pub(crate) log: LogPlan,
}

/// A port of a service that the proxy's own pod is behind.
pub(crate) struct OwnPort<'a> {
    pub(crate) service: &'a Service,
    pub(crate) port: &'a Port,
    /// The number of the pod's port.
    pub(crate) target: u32,
}

impl<'a> Scope<'a> {
    pub(crate) fn of(objects: &'a Objects, proxy: &ProxyId) -> Option<Self> {
        let pod = objects.pods.get(proxy)?;
        let kind = pod.proxy?;
        let mut scope = Self {
            objects,
            mesh: objects.mesh(),
            pod,
            kind,
            namespace: &pod.meta.namespace,
            services: Vec::new(),
            by_host: HashMap::new(),
            sidecar: if kind == ProxyKind::Sidecar {
                sidecar_of(objects, pod)
            } else {
                None
            },
            log: LogPlan::of(objects, pod, kind),
        };
        scope.gather();
        Some(scope)
    }

    fn gather(&mut self) {
        let wanted = self.wanted_hosts();
        for service in &self.objects.services {
            if service.is_visible_to(self.namespace) && wanted.as_ref().is_none_or(|w| w(service)) {
                self.add(service);
            }
        }
    }

    /// The filter of a `Sidecar`'s egress hosts; a destination of a visible route counts as wanted.
    fn wanted_hosts(&self) -> Option<impl Fn(&Service) -> bool + use<'a>> {
        let egress = self.sidecar?.egress.first()?;
        let namespace = self.namespace.to_owned();
        let routed: Vec<&'a str> = self
            .virtual_services("mesh")
            .iter()
            .flat_map(|v| destinations(&v.spec))
            .collect();
        Some(move |s: &Service| {
            routed.contains(&s.host.as_str())
                || egress
                    .hosts
                    .iter()
                    .any(|h| covers(h, &namespace, &s.namespace, &s.host))
        })
    }

    /// Adds a service; of two for one host the older stands, but Kubernetes' before others.
    fn add(&mut self, service: &'a Service) {
        let Some(index) = self.by_host.get(&service.host).copied() else {
            self.by_host
                .insert(service.host.clone(), self.services.len());
            self.services.push(Cow::Borrowed(service));
            return;
        };
        let existing = &mut self.services[index];
        match (existing.registry, service.registry) {
            (Registry::External, Registry::Kubernetes) => *existing = Cow::Borrowed(service),
            (Registry::External, Registry::External) => merge(existing, service),
            (Registry::Kubernetes, _) => {}
        }
    }

    pub(crate) fn service(&self, host: &str) -> Option<&Service> {
        self.by_host.get(host).map(|i| &*self.services[*i])
    }

    /// The rule for connections to a service.
    pub(crate) fn outbound_rule(&self, service: &Service) -> Option<&'a MergedRule> {
        let rules = self
            .objects
            .rules
            .find(self.namespace, &service.host, &service.namespace);
        let selected = rules.iter().find(|r| {
            r.meta.namespace == self.namespace
                && r.selector()
                    .is_some_and(|s| api::selects(s, &self.pod.meta.labels))
        });
        selected.copied().or_else(|| without_selector(&rules))
    }

    /// The rule for connections that arrive for a service.
    pub(crate) fn inbound_rule(&self, service: &Service) -> Option<&'a MergedRule> {
        without_selector(&self.objects.rules.find(
            self.namespace,
            &service.host,
            &service.namespace,
        ))
    }

    /// Routes bound to a gateway (`namespace/name`, or `mesh`) that are visible here: private ones first.
    pub(crate) fn virtual_services(&self, gateway: &str) -> Vec<&'a Config<VirtualService>> {
        let bound = |v: &VirtualService| {
            if v.gateways.is_empty() {
                gateway == "mesh"
            } else {
                v.gateways.iter().any(|g| g == gateway)
            }
        };
        let mut found: Vec<(u8, &'a Config<VirtualService>)> = self
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
        own.unwrap_or(self.mesh.outbound_mode()) != OutboundMode::RegistryOnly
    }

    /// Where traffic to unknown destinations goes.
    pub(crate) fn unknown_cluster(&self) -> &'static str {
        if self.lets_unknown_out() {
            "PassthroughCluster"
        } else {
            "BlackHoleCluster"
        }
    }

    /// The services' ports that lead to this pod, the oldest service first.
    pub(crate) fn own_ports(&self) -> Vec<OwnPort<'a>> {
        let services = self.objects.services.iter().filter(|s| s.selects(self.pod));
        services
            .flat_map(|service| service.ports.iter().map(move |port| (service, port)))
            .filter(|(_, port)| port.protocol != crate::protocol::Protocol::Udp)
            .filter_map(|(service, port)| {
                let target = match &port.target {
                    Target::Number(number) => *number,
                    Target::Name(name) => self.pod.named_port(name)?,
                };
                Some(OwnPort {
                    service,
                    port,
                    target,
                })
            })
            .collect()
    }
}

fn without_selector<'a>(rules: &[&'a MergedRule]) -> Option<&'a MergedRule> {
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

fn destinations(service: &VirtualService) -> impl Iterator<Item = &str> {
    let tls = service.tls.iter().flat_map(|r| &r.route);
    let tcp = service.tcp.iter().flat_map(|r| &r.route);
    tls.chain(tcp)
        .filter_map(|r| r.destination.as_ref())
        .map(|d| d.host.as_str())
}

/// The `Sidecar` of a pod: by selector, of its namespace, of the root namespace.
fn sidecar_of<'a>(objects: &'a Objects, pod: &Pod) -> Option<&'a Sidecar> {
    let root = objects.mesh().root_namespace();
    let own = |c: &&Config<Sidecar>| c.meta.namespace == pod.meta.namespace;
    let all = &objects.sidecars;
    let selected = all.iter().filter(own).find(|c| {
        c.spec
            .workload_selector
            .as_ref()
            .is_some_and(|s| api::selects(&s.labels, &pod.meta.labels))
    });
    let wide = |c: &&Config<Sidecar>| c.spec.workload_selector.is_none();
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
fn merge(existing: &mut Cow<'_, Service>, other: &Service) {
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
    let merged = existing.to_mut();
    for port in fresh {
        merged.ports.push(port.clone());
        merged.endpoints.extend(
            other
                .endpoints
                .iter()
                .filter(|e| e.service_port == port.number)
                .cloned(),
        );
    }
}
