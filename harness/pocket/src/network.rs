//! Services: addresses, endpoints, names and the router's rules follow the store.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};

use meshproof_pocket_api::{DeleteHow, KINDS, Kind, Store};
use meshproof_pocket_node::rules::{LoadBalancerPort, Protocol, RouterRules, ServicePort};
use meshproof_pocket_node::{Cidr, Node, NodeError};
use serde_json::{Value, json};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;

use crate::addresses::{AddressPlan, ClusterName};
use crate::controllers::endpoints::{self, PortBackends};
use crate::controllers::settle;
use crate::dns::Zone;

/// What rules and names depend on.
const READ: [Kind; 3] = [Kind::Service, Kind::Pod, Kind::Namespace];

/// The routers' interface towards each other.
pub(crate) const LINK: &str = "link";

/// A router's address on the link (RFC 2544's benchmarking range, as between two providers).
pub(crate) fn link_address(cluster: ClusterName) -> Ipv4Addr {
    match cluster {
        ClusterName::Client => Ipv4Addr::new(198, 18, 0, 1),
        ClusterName::Server => Ipv4Addr::new(198, 18, 0, 2),
    }
}

/// What a cluster reaches over the link: load-balancer addresses, and the other cluster's pods, whose
/// router drops what is for them, as a firewall between two networks does.
pub(crate) fn routes(cluster: ClusterName) -> Vec<Cidr> {
    let other = match cluster {
        ClusterName::Client => ClusterName::Server,
        ClusterName::Server => ClusterName::Client,
    };
    let (address, prefix) = AddressPlan::pod_range(other);
    vec![
        // Answers go to the other router itself: it stands in for the pods behind it.
        Cidr {
            address: link_address(other),
            prefix: 32,
        },
        Cidr {
            address: Ipv4Addr::new(203, 0, 113, 0),
            prefix: 24,
        },
        Cidr { address, prefix },
    ]
}

/// The name server's sockets, in the router's namespace.
pub(crate) async fn dns_sockets(
    node: &Node,
    cluster: ClusterName,
    router: &str,
) -> Result<(UdpSocket, TcpListener), NodeError> {
    let at = SocketAddrV4::new(AddressPlan::dns(cluster), 53);
    Ok((
        node.bind_udp(router, at).await?,
        node.listen_tcp(router, at).await?,
    ))
}

/// The rules of a router without Services.
pub(crate) fn rules(cluster: ClusterName) -> RouterRules {
    RouterRules {
        link: LINK.to_owned(),
        node_address: AddressPlan::router(cluster),
        services: Vec::new(),
        load_balancers: Vec::new(),
    }
}

/// Keeps the network of one cluster in step with its Services.
pub(crate) struct Network {
    cluster: ClusterName,
    store: Arc<Store>,
    node: Node,
    router: String,
    zone: Arc<Zone>,
    plan: Mutex<AddressPlan>,
}

/// A Service as the network sees it.
struct Published {
    name: String,
    namespace: String,
    address: Option<Ipv4Addr>,
    balancers: Vec<Ipv4Addr>,
    ports: Vec<PortBackends>,
}

impl Network {
    /// The network of `cluster`, whose router the node knows as `router`.
    pub(crate) fn new(
        cluster: ClusterName,
        store: Arc<Store>,
        node: Node,
        router: String,
        zone: Arc<Zone>,
    ) -> Self {
        Self {
            cluster,
            store,
            node,
            router,
            zone,
            plan: Mutex::new(AddressPlan::new(cluster)),
        }
    }

    /// Follows the store; ends when the node does. `followed` is told the revision of the store that
    /// the rules and names are true at.
    pub(crate) async fn run(self, followed: watch::Sender<u64>) {
        let kinds: Vec<Kind> = KINDS.iter().map(|info| info.kind).collect();
        let mut loaded = String::new();
        loop {
            let (_, mut watch) = self.store.list_and_watch(&kinds);
            let mut stale = true;
            loop {
                if stale && let Err(error) = self.round(&mut loaded).await {
                    debug_assert!(matches!(error, NodeError::Gone), "{error}");
                    return;
                }
                followed.send_replace(watch.revision());
                let Ok(first) = watch.next().await else {
                    break;
                };
                stale = READ.contains(&first.kind);
                while let Ok(Some(event)) = watch.try_next() {
                    stale |= READ.contains(&event.kind);
                }
            }
        }
    }

    async fn round(&self, loaded: &mut String) -> Result<(), NodeError> {
        self.balance();
        let services = self.store.snapshot(Kind::Service);
        let pods = self.store.snapshot(Kind::Pod);
        let published: Vec<Published> = services.iter().map(|s| publish(s, &pods)).collect();
        self.zone.replace(names(&published, &pods));
        let rules = self.rules(&published).services();
        if rules != *loaded {
            self.node.nft(&self.router, &rules).await?;
            *loaded = rules;
        }
        // After the rules: who sees the slice can use the endpoint.
        self.slices(&services, &pods);
        Ok(())
    }

    /// Gives each load balancer its address.
    fn balance(&self) {
        for service in self.store.snapshot(Kind::Service) {
            let wants = service.pointer("/spec/type") == Some(&json!("LoadBalancer"));
            let has = service
                .pointer("/status/loadBalancer/ingress")
                .and_then(Value::as_array)
                .is_some_and(|l| !l.is_empty());
            if !wants || has {
                continue;
            }
            let address = self
                .plan
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .load_balancer();
            let Some(address) = address else { continue };
            let text = |k: &str| {
                service["metadata"][k]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            let ingress = json!({"loadBalancer": {"ingress": [{"ip": address.to_string(), "ipMode": "VIP"}]}});
            let written =
                self.store
                    .patch_status(Kind::Service, &text("namespace"), &text("name"), &ingress);
            settle(written, &[404]);
        }
    }

    fn rules(&self, published: &[Published]) -> RouterRules {
        let dns = AddressPlan::dns(self.cluster);
        let mut rules = rules(self.cluster);
        for service in published {
            for port in &service.ports {
                let targets = || {
                    port.ready
                        .iter()
                        .map(|(ip, port)| SocketAddrV4::new(*ip, *port))
                        .collect()
                };
                let protocol = if port.protocol == "UDP" {
                    Protocol::Udp
                } else {
                    Protocol::Tcp
                };
                // The name server is the router's own.
                if let Some(ip) = service.address.filter(|ip| *ip != dns) {
                    let address = SocketAddrV4::new(ip, port.port);
                    rules.services.push(ServicePort {
                        address,
                        protocol,
                        endpoints: targets(),
                    });
                }
                for ip in service
                    .balancers
                    .iter()
                    .filter(|_| protocol == Protocol::Tcp)
                {
                    let address = SocketAddrV4::new(*ip, port.port);
                    rules.load_balancers.push(LoadBalancerPort {
                        address,
                        endpoints: targets(),
                    });
                }
            }
        }
        rules
    }

    /// Writes the `EndpointSlices`.
    fn slices(&self, services: &[Arc<Value>], pods: &[Arc<Value>]) {
        let wanted: Vec<Value> = services
            .iter()
            .filter_map(|s| endpoints::slice(s, pods))
            .collect();
        let key = |o: &Value| {
            (
                o["metadata"]["namespace"].clone(),
                o["metadata"]["name"].clone(),
            )
        };
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        for slice in &wanted {
            let (namespace, name) = key(slice);
            let (namespace, name) = (text(&namespace), text(&name));
            let result = if self
                .store
                .get(Kind::EndpointSlice, &namespace, &name)
                .is_some()
            {
                self.store
                    .modify(Kind::EndpointSlice, &namespace, &name, |o| {
                        o["endpoints"] = slice["endpoints"].clone();
                        o["ports"] = slice["ports"].clone();
                    })
            } else {
                self.store.create(Kind::EndpointSlice, slice.clone())
            };
            settle(result, &[404, 409]);
        }
        for slice in self.store.snapshot(Kind::EndpointSlice) {
            let managed = slice
                .pointer("/metadata/labels/endpointslice.kubernetes.io~1managed-by")
                .is_some();
            if managed && !wanted.iter().any(|w| key(w) == key(&slice)) {
                let (namespace, name) = key(&slice);
                let deleted = self.store.delete(
                    Kind::EndpointSlice,
                    &text(&namespace),
                    &text(&name),
                    DeleteHow::default(),
                );
                settle(deleted, &[404]);
            }
        }
    }
}

fn publish(service: &Value, pods: &[Arc<Value>]) -> Published {
    let text = |p: &str| {
        service
            .pointer(p)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let balancers = service
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array);
    Published {
        name: text("/metadata/name").to_owned(),
        namespace: text("/metadata/namespace").to_owned(),
        address: text("/spec/clusterIP").parse().ok(),
        balancers: balancers
            .into_iter()
            .flatten()
            .filter_map(|i| i["ip"].as_str()?.parse().ok())
            .collect(),
        ports: endpoints::ports(service, pods),
    }
}

/// The cluster's names (Kubernetes DNS specification, 2.3 and 2.4).
fn names(services: &[Published], pods: &[Arc<Value>]) -> HashMap<String, Vec<Ipv4Addr>> {
    let mut names = HashMap::new();
    for s in services {
        let mut addresses: Vec<Ipv4Addr> = match s.address {
            Some(address) => vec![address],
            // A headless Service is known by its pods.
            None => s
                .ports
                .iter()
                .flat_map(|p| p.ready.iter().map(|(ip, _)| *ip))
                .collect(),
        };
        addresses.sort_unstable();
        addresses.dedup();
        if !addresses.is_empty() {
            names.insert(
                format!("{}.{}.svc.cluster.local", s.name, s.namespace),
                addresses,
            );
        }
    }
    for pod in pods {
        let ip = pod
            .pointer("/status/podIP")
            .and_then(Value::as_str)
            .and_then(|ip| ip.parse::<Ipv4Addr>().ok());
        let namespace = pod.pointer("/metadata/namespace").and_then(Value::as_str);
        if let (Some(ip), Some(namespace)) = (ip, namespace) {
            names.insert(
                format!(
                    "{}.{namespace}.pod.cluster.local",
                    ip.to_string().replace('.', "-")
                ),
                vec![ip],
            );
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_pods_have_names() {
        let pod = Arc::new(
            json!({"metadata": {"namespace": "default", "labels": {"app": "m"}},
            "status": {"podIP": "10.2.0.8", "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}),
        );
        let service = |name: &str, ip: &str| {
            json!({"metadata": {"name": name, "namespace": "default"},
                "spec": {"clusterIP": ip, "selector": {"app": "m"}, "ports": [{"port": 3306}]}})
        };
        let pods = [pod];
        let published = [
            publish(&service("mysql", "10.96.1.33"), &pods),
            publish(&service("headless", "None"), &pods),
        ];
        let names = names(&published, &pods);
        assert_eq!(
            names["mysql.default.svc.cluster.local"],
            [Ipv4Addr::new(10, 96, 1, 33)]
        );
        assert_eq!(
            names["headless.default.svc.cluster.local"],
            [Ipv4Addr::new(10, 2, 0, 8)]
        );
        assert_eq!(
            names["10-2-0-8.default.pod.cluster.local"],
            [Ipv4Addr::new(10, 2, 0, 8)]
        );
    }
}
