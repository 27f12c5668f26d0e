//! Services of the mesh: Kubernetes' own and those of `ServiceEntry`, in one form.

use std::{fmt, net::IpAddr, sync::Arc};

use serde_json::Value;

use super::{
    Config, Meta,
    endpoints::{self, Endpoint},
    pod::Pod,
    pool::Pool,
    string_map,
};
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
    /// The port that passed-on connections are sent to in place of their own: the `targetPort` of an
    /// entry without resolution.
    pub(crate) passed_to: Option<u32>,
}

impl Port {
    /// Whether two ports are the same to whoever connects.
    fn is_like(&self, other: &Self) -> bool {
        self.name == other.name && self.number == other.number && self.protocol == other.protocol
    }
}

/// The port of the pod behind a service's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Number(u32),
    Name(String),
}

/// The object that declares a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) kind: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// A service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Service {
    pub(crate) host: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) created: String,
    pub(crate) origin: Origin,
    pub(crate) registry: Registry,
    /// An IP address, a CIDR block or [`UNSPECIFIED`].
    pub(crate) address: String,
    pub(crate) ports: Vec<Port>,
    pub(crate) resolution: Resolution,
    pub(crate) mesh_external: bool,
    labels: Labels,
    export_to: Vec<String>,
    pub(crate) selector: Option<Labels>,
    pub(crate) subject_alt_names: Vec<String>,
    pub(crate) external_name: Option<String>,
    pub(crate) unready_too: bool,
    /// Only endpoints on the client's own node are used.
    pub(crate) node_local: bool,
    /// Names of `ExternalName` services that mean this one, sorted by namespace and name.
    pub(crate) aliases: Vec<String>,
    /// The endpoints that the declaration itself lists.
    pub(super) listed: Vec<Endpoint>,
    /// The endpoints, shared by all services of the same host and namespace.
    pub(crate) pool: Arc<Pool>,
}

impl Service {
    /// Whether proxies of `namespace` know it.
    pub(crate) fn is_visible_to(&self, namespace: &str) -> bool {
        exported(&self.export_to, &self.namespace, namespace)
    }

    /// Whether proxies of every namespace know it.
    pub(crate) fn is_public(&self) -> bool {
        self.export_to.is_empty() || self.export_to.iter().any(|e| e == "*")
    }

    /// Whether the service is that of a pod.
    pub(crate) fn selects(&self, pod: &Pod) -> bool {
        self.namespace == pod.meta.namespace && self.selects_labels(&pod.meta.labels)
    }

    /// Whether the service is that of a workload of its namespace with these labels.
    pub(crate) fn selects_labels(&self, labels: &Labels) -> bool {
        self.selector
            .as_ref()
            .is_some_and(|s| !s.is_empty() && crate::api::selects(s, labels))
    }

    /// Whether a Gateway names the service's own ports, and not the pod's (`pilot/pkg/model/gateway.go`).
    pub(crate) fn translates_gateway_ports(&self) -> bool {
        !self
            .labels
            .contains_key("experimental.istio.io/disable-gateway-port-translation")
    }

    /// The service with these of its ports alone.
    pub(crate) fn with_ports(&self, ports: Vec<Port>) -> Self {
        Self {
            ports,
            ..self.clone()
        }
    }

    /// Whether both have the same ports in the same order.
    pub(crate) fn has_ports_of(&self, other: &Self) -> bool {
        self.ports.len() == other.ports.len()
            && self
                .ports
                .iter()
                .zip(&other.ports)
                .all(|(a, b)| a.is_like(b))
    }

    /// Whether two services of one host can be made one (`canMergeServices` in
    /// `pilot/pkg/model/sidecar.go`).
    pub(crate) fn can_merge(&self, other: &Self) -> bool {
        self.namespace == other.namespace
            && self.resolution == other.resolution
            && self.registry == other.registry
            && self.labels == other.labels
            && self.selector == other.selector
            && self.export_to == other.export_to
    }
}

/// Whether an object of `owner` with this `exportTo` is seen in `namespace`; empty is everywhere. `*`
/// wins over all else, and `~`, nowhere, over what remains.
pub(crate) fn exported(export_to: &[String], owner: &str, namespace: &str) -> bool {
    let has = |word: &str| export_to.iter().any(|e| e == word);
    if export_to.is_empty() || has("*") {
        return true;
    }
    !has("~") && (has(namespace) || (has(".") && owner == namespace))
}

/// A Service of Kubernetes, without its endpoints (`pilot/pkg/serviceregistry/kube/conversion.go`).
pub(super) fn of_kubernetes(object: &Value, mesh: &MeshConfig) -> Service {
    let meta = Meta::of(object);
    let spec = &object["spec"];
    let cluster_ip = spec["clusterIP"].as_str().unwrap_or_default();
    let external_name = spec["externalName"]
        .as_str()
        .filter(|name| spec["type"] == "ExternalName" && !name.is_empty());
    let resolution = match (external_name, cluster_ip) {
        (_, "None") => Resolution::Passthrough,
        (Some(_), _) => Resolution::Alias,
        (None, _) => Resolution::Known,
    };
    let ports = spec["ports"].as_array().into_iter().flatten();
    Service {
        host: format!("{}.{}.svc.cluster.local", meta.name, meta.namespace),
        origin: Origin {
            kind: "Service",
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
        },
        address: if cluster_ip.parse::<IpAddr>().is_ok() {
            cluster_ip.into()
        } else {
            UNSPECIFIED.into()
        },
        ports: ports.filter_map(port_of_kubernetes).collect(),
        resolution,
        registry: Registry::Kubernetes,
        mesh_external: external_name.is_some(),
        export_to: Some(listed(&meta, "networking.istio.io/exportTo"))
            .filter(|e| !e.is_empty())
            .unwrap_or_else(|| mesh.service_export_to().to_vec()),
        selector: Some(string_map(&spec["selector"])).filter(|s| !s.is_empty()),
        subject_alt_names: accounts(&meta, mesh),
        external_name: external_name.map(str::to_owned),
        unready_too: spec["publishNotReadyAddresses"] == true,
        node_local: spec["internalTrafficPolicy"] == "Local",
        aliases: Vec::new(),
        listed: Vec::new(),
        pool: Arc::default(),
        labels: meta.labels,
        created: meta.created,
        name: meta.name,
        namespace: meta.namespace,
    }
}

/// The comma-separated values of an annotation.
fn listed(meta: &Meta, annotation: &str) -> Vec<String> {
    let text = meta.annotations.get(annotation).filter(|t| !t.is_empty());
    text.map(|t| t.split(',').map(|n| n.trim().to_owned()).collect())
        .unwrap_or_default()
}

/// Identities that a Service says its servers may have beside those of its pods.
fn accounts(meta: &Meta, mesh: &MeshConfig) -> Vec<String> {
    let mut all = listed(meta, "alpha.istio.io/canonical-serviceaccounts");
    let own = listed(meta, "alpha.istio.io/kubernetes-serviceaccounts");
    let identity = |account: String| {
        format!(
            "spiffe://{}/ns/{}/sa/{account}",
            mesh.trust_domain(),
            meta.namespace
        )
    };
    all.extend(own.into_iter().map(identity));
    all
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
        passed_to: None,
    })
}

/// The services of a `ServiceEntry`: one for each pair of host and address, with the endpoints that it
/// lists (`pilot/pkg/serviceregistry/serviceentry/conversion.go`).
pub(super) fn of_entry(entry: &Config<ServiceEntry>, mesh: &MeshConfig) -> Vec<Arc<Service>> {
    let (meta, spec) = (&entry.meta, &entry.spec);
    let addresses = virtual_addresses(&spec.addresses);
    let resolution = resolution_of(spec.resolution);
    let ports: Vec<Port> = spec
        .ports
        .iter()
        .map(|p| port_of_entry(p, resolution))
        .collect();
    let service = |host: &String, address: &String| Service {
        host: host.clone(),
        name: host.clone(),
        namespace: meta.namespace.clone(),
        created: meta.created.clone(),
        origin: Origin {
            kind: "ServiceEntry",
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
        },
        registry: Registry::External,
        address: address.clone(),
        ports: ports.clone(),
        resolution,
        mesh_external: spec.location == Location::MeshExternal,
        labels: meta.labels.clone(),
        export_to: spec.export_to.clone(),
        selector: spec.workload_selector.as_ref().map(|s| s.labels.clone()),
        subject_alt_names: spec.subject_alt_names.clone(),
        external_name: None,
        unready_too: false,
        node_local: false,
        aliases: Vec::new(),
        listed: Vec::new(),
        pool: Arc::default(),
    };
    let hosts = spec.hosts.iter();
    hosts
        .flat_map(|host| addresses.iter().map(move |address| (host, address)))
        .map(|(host, address)| {
            let mut service = service(host, address);
            service.listed = endpoints::listed(&service, spec, mesh);
            service.into()
        })
        .collect()
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

fn port_of_entry(port: &crate::api::service_entry::ServicePort, resolution: Resolution) -> Port {
    let number = u32::try_from(port.number).unwrap_or_default();
    let target = u32::try_from(port.target_port).ok().filter(|t| *t > 0);
    Port {
        name: port.name.clone(),
        number,
        protocol: Protocol::parse(&port.protocol),
        target: Target::Number(target.unwrap_or(number)),
        passed_to: target.filter(|_| resolution == Resolution::Passthrough),
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
