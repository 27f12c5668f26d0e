//! What a sidecar imports, listener by listener (`convertIstioListenerToWrapper` and `selectServices` in
//! `pilot/pkg/model/sidecar.go`, `SelectVirtualServices` in `pilot/pkg/model/virtualservice.go`).

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::routes::Routes;

use crate::{
    Objects,
    api::{sidecar::Egress, virtual_service::VirtualService},
    compile::conflict::Conflict,
    host,
    objects::{
        Config,
        service::{Registry, Service},
    },
    protocol::Protocol,
};

/// What one egress listener takes in.
pub(crate) struct Import<'a> {
    /// The listener as a `Sidecar` says it; `None` where there is no `Sidecar` or no egress in it.
    pub(crate) said: Option<&'a Egress>,
    /// In Istio's order. A host may occur more than once, with other addresses.
    pub(crate) services: Vec<Arc<Service>>,
    pub(crate) routes: Routes,
}

impl<'a> Import<'a> {
    /// Everything that proxies of `namespace` can see.
    pub(crate) fn all(
        objects: &'a Objects,
        namespace: &str,
        routes: Vec<&'a Arc<Config<VirtualService>>>,
        conflicts: &mut Vec<Conflict>,
    ) -> Self {
        let services = visible(objects, namespace).cloned().collect();
        Self {
            said: None,
            services: one_namespace_each(services, namespace, conflicts),
            routes: Routes::of(routes),
        }
    }

    /// What a listener of a `Sidecar` names.
    pub(crate) fn named(
        egress: &'a Egress,
        objects: &'a Objects,
        namespace: &str,
        routes: &[&'a Arc<Config<VirtualService>>],
        conflicts: &mut Vec<Conflict>,
    ) -> Self {
        let hosts = Hosts::of(&egress.hosts, namespace);
        let port = matched_port(egress);
        let seen: Vec<&Arc<Service>> = if hosts.are_exact() {
            looked_up(objects, namespace).collect()
        } else {
            visible(objects, namespace).collect()
        };
        let services = seen
            .into_iter()
            .filter(|s| hosts.take_service(&s.namespace, &s.host))
            .filter_map(|s| with_port(s, port))
            .map(|s| hosts.with_aliases(s))
            .collect();
        let named = |v: &&&'a Arc<Config<VirtualService>>| {
            let mut names = v.spec.hosts.iter();
            names.any(|name| hosts.take_route(&v.meta.namespace, name))
        };
        Self {
            said: Some(egress),
            services: one_namespace_each(services, namespace, conflicts),
            routes: Routes::of(routes.iter().filter(named).copied().collect()),
        }
    }

    /// The port that services must have; `None` where any will do.
    pub(crate) fn port(&self) -> Option<u32> {
        self.said.and_then(matched_port)
    }
}

/// A listener for a proxy protocol takes services of any port.
fn matched_port(egress: &Egress) -> Option<u32> {
    let port = egress.port.as_ref()?;
    let number = u32::try_from(port.number).ok().filter(|n| *n != 0)?;
    (Protocol::parse(&port.protocol) != Protocol::HttpProxy).then_some(number)
}

/// The service with that port alone, if it has it.
pub(super) fn with_port(service: &Arc<Service>, port: Option<u32>) -> Option<Arc<Service>> {
    let Some(number) = port else {
        return Some(Arc::clone(service));
    };
    let found = service.ports.iter().find(|p| p.number == number)?;
    if service.ports.len() == 1 {
        return Some(Arc::clone(service));
    }
    Some(service.with_ports(vec![found.clone()]).into())
}

/// Services that proxies of `namespace` see: those exported to it by name before public ones, each the
/// oldest first (`servicesExportedToNamespace` in `pilot/pkg/model/push_context.go`).
pub(crate) fn visible<'a>(
    objects: &'a Objects,
    namespace: &str,
) -> impl Iterator<Item = &'a Arc<Service>> {
    let private = objects
        .services
        .iter()
        .filter(move |s| !s.is_public() && s.is_visible_to(namespace));
    let public = objects.services.iter().filter(|s| s.is_public());
    private.chain(public)
}

/// The one service that stands for a host in each namespace, if it is seen, the oldest first: where all hosts
/// are named exactly, services are looked up and not searched for, so that a host with several addresses has
/// its first alone (`servicesForExactHosts` in `pilot/pkg/model/sidecar.go`).
fn looked_up<'a>(objects: &'a Objects, namespace: &str) -> impl Iterator<Item = &'a Arc<Service>> {
    let stands_for_its_host = |s: &&Arc<Service>| {
        let own = || {
            objects
                .services_of_host(&s.host)
                .filter(|o| o.namespace == s.namespace)
        };
        let kube = own().find(|o| o.registry == Registry::Kubernetes);
        kube.or_else(|| own().next())
            .is_some_and(|o| Arc::ptr_eq(o, s))
    };
    let all = objects.services.iter().filter(stands_for_its_host);
    all.filter(move |s| s.is_visible_to(namespace))
}

/// Of services for one host in several namespaces, those of one namespace: the proxy's own, else one
/// with a Service of Kubernetes, else that of the first.
fn one_namespace_each(
    services: Vec<Arc<Service>>,
    own: &str,
    conflicts: &mut Vec<Conflict>,
) -> Vec<Arc<Service>> {
    let mut chosen: HashMap<&str, (usize, bool)> = HashMap::new();
    let mut is_split = false;
    for (index, service) in services.iter().enumerate() {
        let kube = service.registry == Registry::Kubernetes;
        let Some((at, was_kube)) = chosen.get_mut(service.host.as_str()) else {
            chosen.insert(&service.host, (index, kube));
            continue;
        };
        let existing = &services[*at].namespace;
        is_split |= *existing != service.namespace;
        let is_own = service.namespace == own && existing != own;
        if is_own || (!*was_kube && kube && existing != own) {
            (*at, *was_kube) = (index, kube);
        }
    }
    if !is_split {
        return services;
    }
    let winner = |s: &Service| {
        chosen
            .get(s.host.as_str())
            .map(|(index, _)| &services[*index])
    };
    let loses = |s: &Service| winner(s).is_some_and(|w| w.namespace != s.namespace);
    for loser in services.iter().filter(|s| loses(s)) {
        if let Some(winner) = winner(loser) {
            conflicts.push(Conflict {
                place: format!("host {}", loser.host),
                winner: winner.origin.to_string(),
                loser: loser.origin.to_string(),
                reason:
                    "a host is taken from one namespace: the client's own, else one with a Service \
                         of Kubernetes, else the oldest"
                        .into(),
            });
        }
    }
    let keep: Vec<bool> = services.iter().map(|s| !loses(s)).collect();
    let kept = services.into_iter().zip(keep).filter(|(_, keep)| *keep);
    kept.map(|(service, _)| service).collect()
}

/// The hosts of one listener, by namespace.
struct Hosts<'a> {
    by_namespace: BTreeMap<&'a str, Patterns<'a>>,
}

#[derive(Default)]
struct Patterns<'a> {
    taken: Vec<&'a str>,
    left_out: Vec<&'a str>,
}

impl<'a> Hosts<'a> {
    fn of(entries: &'a [String], own: &'a str) -> Self {
        let mut by_namespace: BTreeMap<&str, Patterns<'_>> = BTreeMap::new();
        for (said, pattern) in entries.iter().filter_map(|e| e.split_once('/')) {
            let (namespace, leaves_out) = match said.strip_prefix('~') {
                Some("") => ("*", true),
                Some(namespace) => (namespace, true),
                None => (said, false),
            };
            let namespace = if namespace == "." { own } else { namespace };
            let patterns = by_namespace.entry(namespace).or_default();
            if leaves_out {
                patterns.left_out.push(pattern);
            } else {
                patterns.taken.push(pattern);
            }
        }
        Self { by_namespace }
    }

    /// Whether each is one host of one namespace.
    fn are_exact(&self) -> bool {
        let exact = |(namespace, patterns): (&&str, &Patterns<'_>)| {
            let mut taken = patterns.taken.iter();
            taken.all(|t| *namespace != "*" && !t.contains('*'))
        };
        self.by_namespace.iter().all(exact)
    }

    /// The patterns for objects of a namespace.
    fn patterns(&self, namespace: &str) -> impl Iterator<Item = &Patterns<'a>> {
        let every = self.by_namespace.get("*");
        self.by_namespace.get(namespace).into_iter().chain(every)
    }

    fn leave_out(&self, namespace: &str, name: &str) -> bool {
        self.patterns(namespace)
            .any(|p| p.left_out.iter().any(|l| host::subset_of(name, l)))
    }

    fn take_service(&self, namespace: &str, name: &str) -> bool {
        let taken = |p: &Patterns<'_>| p.taken.iter().any(|t| host::subset_of(name, t));
        !self.leave_out(namespace, name) && self.patterns(namespace).any(taken)
    }

    /// A route is taken in also where its host is wider than what is named.
    fn take_route(&self, namespace: &str, name: &str) -> bool {
        let taken = |p: &Patterns<'_>| p.taken.iter().any(|t| host::matches(name, t));
        self.patterns(namespace).any(taken) && !self.leave_out(namespace, name)
    }

    /// The service with those of its aliases that are taken in too.
    fn with_aliases(&self, mut service: Arc<Service>) -> Arc<Service> {
        let namespace = service.namespace.clone();
        let taken = |alias: &String| {
            let patterns = self.patterns(&namespace).next();
            patterns.is_some_and(|p| p.taken.iter().any(|t| host::subset_of(alias, t)))
        };
        if service.aliases.iter().all(taken) {
            return service;
        }
        Arc::make_mut(&mut service).aliases.retain(taken);
        service
    }
}
