//! What compiling may ask. Every question is noted with its answer, so that what was compiled can be
//! kept for as long as each question still has the same answer, and for other proxies where it has the
//! same answer. Nothing else of the cluster is within reach of the code that compiles.

use std::{cell::RefCell, ops::Deref, sync::Arc};

use super::{
    Conflict, access_log::LogPlan, attachment, duplicates, mtls, outbound::Tenant, outlook::Outlook,
};
use crate::{
    MeshConfig,
    api::{
        self, Labels,
        authorization_policy::{Action, AuthorizationPolicy},
        destination_rule::ConnectionPool,
        gateway::Gateway,
        peer_authentication::Mode,
        sidecar::Ingress,
        virtual_service::VirtualService,
    },
    objects::{
        Client, Config, Same,
        endpoints::Endpoint,
        pod::{Pod, ProxyKind},
        rules::MergedRule,
        service::{Port, Service, Target},
    },
    protocol::Protocol,
};

/// What there is to ask about.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) outlook: &'a Outlook<'a>,
    /// The proxy's own pod; `None` where something is compiled for a class of proxies.
    pub(crate) pod: Option<&'a Arc<Pod>>,
}

/// A question and the answer it had: whether it has the same answer now.
pub(crate) type Check = Box<dyn Fn(&Facts<'_>) -> bool + Send + Sync>;

/// A class of proxies and everything that is visible to it.
pub(crate) struct View<'a> {
    facts: Facts<'a>,
    asked: RefCell<Vec<Check>>,
}

/// A proxy and everything that is visible to it.
pub(crate) struct Scope<'a> {
    view: View<'a>,
    pod: &'a Arc<Pod>,
}

/// A port of a service that the proxy's own pod is behind.
#[derive(Clone, PartialEq)]
pub(crate) struct OwnPort {
    pub(crate) service: Same<Service>,
    pub(crate) port: Port,
    /// The number of the pod's port.
    pub(crate) target: u32,
}

impl<'a> View<'a> {
    pub(crate) fn new(facts: Facts<'a>) -> Self {
        Self {
            facts,
            asked: RefCell::default(),
        }
    }

    /// All that was asked.
    pub(crate) fn into_checks(self) -> Vec<Check> {
        self.asked.into_inner()
    }

    fn ask<T: Clone + PartialEq + Send + Sync + 'static>(
        &self,
        question: impl Fn(&Facts<'_>) -> T + Send + Sync + 'static,
    ) -> T {
        let answer = question(&self.facts);
        let had = answer.clone();
        let check = Box::new(move |now: &Facts<'_>| question(now) == had);
        self.asked.borrow_mut().push(check);
        answer
    }

    /// Not a question: with another mesh configuration everything is compiled anew.
    pub(crate) fn mesh(&self) -> &'a MeshConfig {
        self.facts.outlook.mesh()
    }

    pub(crate) fn kind(&self) -> ProxyKind {
        self.ask(|f| f.outlook.kind)
    }

    /// Whether the proxy is in a namespace.
    pub(crate) fn is_in(&self, namespace: &str) -> bool {
        let namespace = namespace.to_owned();
        self.ask(move |f| f.outlook.namespace == namespace)
    }

    /// Whether a `sourceLabels` or a `workloadSelector` chooses the proxy's workload. Those that can be
    /// asked about are in [`crate::Objects::client_selectors`].
    pub(crate) fn is_selected(&self, selector: &Labels) -> bool {
        let selector = selector.clone();
        self.ask(move |f| f.outlook.is_selected(&selector))
    }

    pub(crate) fn log(&self) -> Same<LogPlan> {
        self.ask(|f| f.outlook.log.clone())
    }

    /// The visible service of a host.
    pub(crate) fn service(&self, host: &str) -> Option<Same<Service>> {
        let host = host.to_owned();
        self.ask(move |f| f.outlook.service(&host).map(Same::of))
    }

    /// The rule for connections to a service.
    pub(crate) fn outbound_rule(&self, service: &Service) -> Option<Same<MergedRule>> {
        let (host, namespace) = (service.host.clone(), service.namespace.clone());
        self.ask(move |f| f.outlook.outbound_rule(&host, &namespace).map(Same::of))
    }

    /// The routes of the mesh for a service that a listener takes in: private ones first.
    pub(crate) fn routes(
        &self,
        import: usize,
        service: &Service,
    ) -> Vec<Same<Config<VirtualService>>> {
        let host = service.host.clone();
        self.ask(move |f| f.outlook.routes(import, &host).map(Same::of).collect())
    }

    /// Where the proxy is, as far as it matters.
    pub(crate) fn client(&self) -> Client {
        self.ask(|f| f.outlook.client.clone())
    }

    /// What gives way to what among the hosts that are seen.
    pub(crate) fn conflicts(&self) -> Vec<Conflict> {
        self.ask(|f| f.outlook.conflicts.clone())
    }

    /// The services that share a listener's address and port.
    pub(crate) fn tenants(&self, bind: &str, port: u32) -> Vec<Tenant> {
        let bind = bind.to_owned();
        self.ask(move |f| {
            let own = f.pod.map(|p| p.address.as_str());
            f.outlook.tenants(&bind, port, own)
        })
    }

    /// Where traffic to unknown destinations goes.
    pub(crate) fn unknown_cluster(&self) -> &'static str {
        if self.ask(|f| f.outlook.lets_unknown_out()) {
            "PassthroughCluster"
        } else {
            "BlackHoleCluster"
        }
    }

    /// What namespace and mesh say of mesh TLS without regard to workloads.
    pub(crate) fn wide_mode(&self, namespace: &str) -> Option<Mode> {
        let namespace = namespace.to_owned();
        self.ask(move |f| mtls::wide_mode(f.outlook.objects, &namespace))
    }

    /// What the workload behind an endpoint accepts.
    pub(crate) fn mode_of(&self, endpoint: &Endpoint) -> Mode {
        let (namespace, labels) = (endpoint.namespace.clone(), endpoint.labels.clone());
        let port = endpoint.port;
        self.ask(move |f| f.outlook.mode_at(&namespace, &labels, port))
    }
}

impl<'a> Deref for Scope<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

impl<'a> Scope<'a> {
    pub(crate) fn new(outlook: &'a Outlook<'a>, pod: &'a Arc<Pod>) -> Self {
        let pod_too = Some(pod);
        Self {
            view: View::new(Facts {
                outlook,
                pod: pod_too,
            }),
            pod,
        }
    }

    /// All that was asked.
    pub(crate) fn into_checks(self) -> Vec<Check> {
        self.view.into_checks()
    }

    /// Asks about the proxy's own pod.
    fn ask_own<T: Clone + PartialEq + Send + Sync + 'static>(
        &self,
        question: impl Fn(&Outlook<'_>, &Pod) -> T + Send + Sync + 'static,
    ) -> T {
        let answer = question(self.view.facts.outlook, self.pod);
        let had = answer.clone();
        let same =
            move |now: &Facts<'_>| now.pod.is_some_and(|pod| question(now.outlook, pod) == had);
        self.view.asked.borrow_mut().push(Box::new(same));
        answer
    }

    /// The rule for connections that arrive for a service.
    pub(crate) fn inbound_rule(&self, service: &Service) -> Option<Same<MergedRule>> {
        let (host, namespace) = (service.host.clone(), service.namespace.clone());
        self.ask(move |f| f.outlook.inbound_rule(&host, &namespace).map(Same::of))
    }

    /// What a `Sidecar` says is accepted, in place of what services say.
    pub(crate) fn ingress(&self) -> Vec<Ingress> {
        self.ask(|f| f.outlook.ingress().to_vec())
    }

    /// The pod's address; empty before it has one.
    pub(crate) fn address(&self) -> String {
        self.ask_own(|_, pod| pod.address.clone())
    }

    /// What a `Sidecar` says of all inbound connections.
    pub(crate) fn inbound_pool(&self) -> Option<ConnectionPool> {
        self.ask(|f| f.outlook.inbound_pool().cloned())
    }

    /// The services' ports that lead to this pod, the oldest service first, then by host.
    pub(crate) fn own_ports(&self) -> Vec<OwnPort> {
        self.ask_own(own_ports)
    }

    /// What the pod accepts.
    pub(crate) fn policy(&self) -> mtls::Policy {
        self.ask_own(|o, pod| mtls::policy_of(o.objects, o.namespace, &pod.meta.labels))
    }

    /// The policies of one action that hold for the pod, the oldest first.
    pub(crate) fn authorization_policies(
        &self,
        action: Action,
    ) -> Vec<Same<Config<AuthorizationPolicy>>> {
        self.ask_own(move |o, pod| {
            let root = o.mesh().root_namespace();
            let holds = |p: &&Arc<Config<AuthorizationPolicy>>| {
                p.spec.action == action
                    && (p.meta.namespace == o.namespace || p.meta.namespace == root)
                    && attachment::holds(p.spec.targets(), p.spec.selector.as_ref(), &p.meta, pod)
            };
            let all = o.objects.authorization_policies.iter();
            all.filter(holds).map(Same::of).collect()
        })
    }

    /// What is said twice to the pod's accepting side.
    pub(crate) fn duplicates(&self) -> Vec<Conflict> {
        self.ask_own(duplicates::conflicts)
    }

    /// Whether a host is a service's, of one namespace alone or of the one that is said, whoever sees it.
    pub(crate) fn is_known(&self, host: &str, namespace: Option<&str>) -> bool {
        let (host, namespace) = (host.to_owned(), namespace.map(str::to_owned));
        self.ask(move |f| {
            let wanted = |s: &&Arc<Service>| {
                s.host == host && namespace.as_ref().is_none_or(|n| *n == s.namespace)
            };
            let mut found = f.outlook.objects.services.iter().filter(wanted);
            let first = found.next();
            first.is_some_and(|first| found.all(|s| s.namespace == first.namespace))
        })
    }

    /// The `Gateway`s that choose the pod, the oldest first.
    pub(crate) fn gateways(&self) -> Vec<Same<Config<Gateway>>> {
        self.ask_own(|o, pod| {
            let applies = |g: &&Arc<Config<Gateway>>| {
                let selector = g.spec.selector.as_ref();
                selector.is_none_or(|s| api::selects(s, &pod.meta.labels))
            };
            let all = o.objects.gateways.iter();
            all.filter(applies).map(Same::of).collect()
        })
    }

    /// The visible routes bound to a gateway (`namespace/name`): private ones first.
    pub(crate) fn virtual_services(&self, gateway: &str) -> Vec<Same<Config<VirtualService>>> {
        let gateway = gateway.to_owned();
        self.ask(move |f| {
            let found = f.outlook.virtual_services(&gateway);
            found.into_iter().map(Same::of).collect()
        })
    }
}

/// In the order in which istiod keeps the services of a proxy (`pilot/pkg/model/context.go`); ports of UDP
/// are among them.
pub(crate) fn own_ports(outlook: &Outlook<'_>, pod: &Pod) -> Vec<OwnPort> {
    let mut services: Vec<&Arc<Service>> = outlook.objects.services_of(pod).collect();
    services.sort_by_key(|s| (&s.created, &s.host));
    services
        .into_iter()
        .flat_map(|service| service.ports.iter().map(move |port| (service, port)))
        .filter_map(|(service, port)| {
            let target = match &port.target {
                Target::Number(number) => *number,
                Target::Name(name) => pod.named_port_of(name, port.protocol == Protocol::Udp)?,
            };
            Some(OwnPort {
                service: Same::of(service),
                port: port.clone(),
                target,
            })
        })
        .collect()
}
