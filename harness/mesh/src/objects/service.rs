//! Services of the mesh: Kubernetes' own and those of `ServiceEntry`, in one form.

use std::{net::IpAddr, sync::Arc};

use serde_json::Value;

use super::{Config, Meta, endpoints, pod::Pod, string_map};
use crate::{
    MeshConfig,
    api::{
        Labels,
        service_entry::{Location, Resolution as EntryResolution, ServiceEntry},
        virtual_service::VirtualService,
    },
    host,
    protocol::Protocol,
};

/// The address of a service that has none of its own.
pub(crate) const UNSPECIFIED: &str = "0.0.0.0";

/// Where a service was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registry {
    Kubernetes,
    External,
}

/// How the endpoints of a service are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// Known, and told to the proxy.
    Known,
    /// Looked up by the proxy, all addresses used.
    Dns,
    /// Looked up by the proxy, one address used.
    DnsRoundRobin,
    /// Wherever the connection was going.
    Passthrough,
    /// Another name for another host (`ExternalName`).
    Alias,
}

/// A port of a service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) number: u32,
    pub(crate) protocol: Protocol,
    pub(crate) target: Target,
}

/// The port of the pod behind a service's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Number(u32),
    Name(String),
}

/// One endpoint of one port of a service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Endpoint {
    /// The number of the service's port.
    pub(crate) service_port: u32,
    pub(crate) address: String,
    pub(crate) port: u32,
    pub(crate) namespace: String,
    pub(crate) labels: Labels,
    pub(crate) speaks_mesh_tls: bool,
    /// From 1.
    pub(crate) weight: u32,
    pub(crate) spiffe_id: Option<String>,
}

/// A service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Service {
    pub(crate) host: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) created: String,
    pub(crate) registry: Registry,
    /// An IP address, a CIDR block or [`UNSPECIFIED`].
    pub(crate) address: String,
    pub(crate) ports: Vec<Port>,
    pub(crate) resolution: Resolution,
    pub(crate) mesh_external: bool,
    export_to: Vec<String>,
    pub(crate) selector: Option<Labels>,
    pub(crate) subject_alt_names: Vec<String>,
    pub(crate) external_name: Option<String>,
    pub(crate) unready_too: bool,
    pub(crate) endpoints: Vec<Endpoint>,
}

impl Service {
    /// Whether proxies of `namespace` know it.
    pub(crate) fn is_visible_to(&self, namespace: &str) -> bool {
        exported(&self.export_to, &self.namespace, namespace)
    }

    /// The endpoints of a port, of a subset's labels.
    pub(crate) fn endpoints_of(
        &self,
        port: u32,
        labels: &Labels,
    ) -> impl Iterator<Item = &Endpoint> {
        self.endpoints
            .iter()
            .filter(move |e| e.service_port == port && crate::api::selects(labels, &e.labels))
    }

    /// Whether the service is that of a pod.
    pub(crate) fn selects(&self, pod: &Pod) -> bool {
        self.namespace == pod.meta.namespace
            && self
                .selector
                .as_ref()
                .is_some_and(|s| !s.is_empty() && crate::api::selects(s, &pod.meta.labels))
    }

    /// The identities that may stand behind the service, sorted.
    pub(crate) fn identities(&self, mesh: &MeshConfig) -> Vec<String> {
        let mut all: Vec<String> = self.subject_alt_names.clone();
        all.extend(self.endpoints.iter().filter_map(|e| e.spiffe_id.clone()));
        let own = format!("spiffe://{}/", mesh.trust_domain());
        let aliases: Vec<String> = all
            .iter()
            .filter_map(|id| id.strip_prefix(&own))
            .flat_map(|rest| {
                mesh.trust_domain_aliases()
                    .iter()
                    .map(move |a| format!("spiffe://{a}/{rest}"))
            })
            .collect();
        all.extend(aliases);
        all.sort();
        all.dedup();
        all
    }
}

/// Whether an object of `owner` with this `exportTo` is seen in `namespace`; empty is everywhere.
pub(crate) fn exported(export_to: &[String], owner: &str, namespace: &str) -> bool {
    export_to.is_empty()
        || export_to.iter().any(|e| match e.as_str() {
            "*" => true,
            "." => owner == namespace,
            name => name == namespace,
        })
}

/// A Service of Kubernetes, without its endpoints.
pub(super) fn of_kubernetes(object: &Value, mesh: &MeshConfig) -> Service {
    let meta = Meta::of(object);
    let spec = &object["spec"];
    let cluster_ip = spec["clusterIP"].as_str().unwrap_or_default();
    let external_name = spec["externalName"]
        .as_str()
        .filter(|_| spec["type"] == "ExternalName");
    let resolution = match (external_name, cluster_ip) {
        (Some(_), _) => Resolution::Alias,
        (None, "None") => Resolution::Passthrough,
        _ => Resolution::Known,
    };
    let export_to = meta.annotations.get("networking.istio.io/exportTo");
    Service {
        host: format!("{}.{}.svc.cluster.local", meta.name, meta.namespace),
        address: if cluster_ip.parse::<IpAddr>().is_ok() {
            cluster_ip.into()
        } else {
            UNSPECIFIED.into()
        },
        ports: spec["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(port_of_kubernetes)
            .collect(),
        resolution,
        registry: Registry::Kubernetes,
        mesh_external: external_name.is_some(),
        export_to: export_to.map_or_else(
            || mesh.service_export_to().to_vec(),
            |e| e.split(',').map(|n| n.trim().to_owned()).collect(),
        ),
        selector: Some(string_map(&spec["selector"])).filter(|s| !s.is_empty()),
        subject_alt_names: Vec::new(),
        external_name: external_name.map(str::to_owned),
        unready_too: spec["publishNotReadyAddresses"] == true,
        endpoints: Vec::new(),
        created: meta.created,
        name: meta.name,
        namespace: meta.namespace,
    }
}

fn port_of_kubernetes(port: &Value) -> Option<Port> {
    let number = u32::try_from(port["port"].as_u64()?).ok()?;
    let name = port["name"].as_str().unwrap_or_default();
    let transport = port["protocol"].as_str().unwrap_or("TCP");
    let target = match &port["targetPort"] {
        Value::String(name) => Target::Name(name.clone()),
        value => value
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .map_or(Target::Number(number), Target::Number),
    };
    Some(Port {
        protocol: Protocol::of_service_port(number, name, transport, port["appProtocol"].as_str()),
        name: name.to_owned(),
        number,
        target,
    })
}

/// The services of a `ServiceEntry`: one for each pair of host and address. Without endpoints that are
/// pods.
pub(super) fn of_entry(entry: &Config<ServiceEntry>, mesh: &MeshConfig) -> Vec<Arc<Service>> {
    let addresses = virtual_addresses(&entry.spec.addresses);
    let mut services = Vec::new();
    for host in &entry.spec.hosts {
        for address in &addresses {
            let mut service = Service {
                host: host.clone(),
                name: host.clone(),
                namespace: entry.meta.namespace.clone(),
                created: entry.meta.created.clone(),
                registry: Registry::External,
                address: address.clone(),
                ports: entry.spec.ports.iter().map(port_of_entry).collect(),
                resolution: resolution_of(entry.spec.resolution),
                mesh_external: entry.spec.location == Location::MeshExternal,
                export_to: entry.spec.export_to.clone(),
                selector: entry
                    .spec
                    .workload_selector
                    .as_ref()
                    .map(|s| s.labels.clone()),
                subject_alt_names: entry.spec.subject_alt_names.clone(),
                external_name: None,
                unready_too: false,
                endpoints: Vec::new(),
            };
            service.endpoints = endpoints::of_entry(&service, &entry.spec, mesh);
            services.push(service.into());
        }
    }
    services
}

fn virtual_addresses(addresses: &[String]) -> Vec<String> {
    if addresses.is_empty() {
        return vec![UNSPECIFIED.to_owned()];
    }
    // A block of one address is that address.
    let single = |a: &String| {
        let bare = a
            .strip_suffix("/32")
            .or_else(|| a.strip_suffix("/128").filter(|p| p.contains(':')));
        bare.unwrap_or(a).to_owned()
    };
    addresses.iter().map(single).collect()
}

fn port_of_entry(port: &crate::api::service_entry::ServicePort) -> Port {
    let number = u32::try_from(port.number).unwrap_or_default();
    let target = u32::try_from(port.target_port)
        .ok()
        .filter(|t| *t > 0)
        .unwrap_or(number);
    Port {
        name: port.name.clone(),
        number,
        protocol: Protocol::parse(&port.protocol),
        target: Target::Number(target),
    }
}

fn resolution_of(resolution: EntryResolution) -> Resolution {
    match resolution {
        EntryResolution::None | EntryResolution::DynamicDns => Resolution::Passthrough,
        EntryResolution::Static => Resolution::Known,
        EntryResolution::Dns => Resolution::Dns,
        EntryResolution::DnsRoundRobin => Resolution::DnsRoundRobin,
    }
}

/// Makes the short names of a `VirtualService` whole: hosts, gateways, destinations.
pub(crate) fn resolve_names(config: &mut Config<VirtualService>) {
    let namespace = config.meta.namespace.clone();
    let spec = &mut config.spec;
    for name in &mut spec.hosts {
        *name = host::resolve(name, &namespace);
    }
    gateways(&mut spec.gateways, &namespace);
    let tls = spec.tls.iter_mut().map(|r| (&mut r.r#match, &mut r.route));
    let tcp = spec.tcp.iter_mut().map(|r| (&mut r.r#match, &mut r.route));
    for (matches, routes) in tls.chain(tcp) {
        for condition in matches {
            gateways(&mut condition.gateways, &namespace);
        }
        for destination in routes.iter_mut().filter_map(|r| r.destination.as_mut()) {
            destination.host = host::resolve(&destination.host, &namespace);
        }
    }
}

fn gateways(names: &mut [String], namespace: &str) {
    for name in names.iter_mut().filter(|n| *n != "mesh") {
        *name = match name.split_once('/') {
            Some((".", gateway)) => format!("{namespace}/{gateway}"),
            Some(_) => name.clone(),
            // The old form is name.namespace.svc.cluster.local.
            None => match name.split('.').collect::<Vec<_>>().as_slice() {
                [gateway, other, ..] => format!("{other}/{gateway}"),
                _ => format!("{namespace}/{name}"),
            },
        };
    }
}
