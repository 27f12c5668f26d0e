//! Kubernetes' Services, as nodes and load balancers treat them.

use std::{collections::BTreeMap, net::IpAddr};

use meshproof_mesh::Pod;
use serde_json::Value;

use crate::cluster::Cluster;

/// A Service.
pub(crate) struct Service {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Addresses within the cluster.
    pub(crate) cluster_ips: Vec<IpAddr>,
    /// Addresses that the world outside reaches.
    pub(crate) outside_ips: Vec<IpAddr>,
    /// The name that an `ExternalName` Service stands for.
    pub(crate) external_name: Option<String>,
    selector: BTreeMap<String, String>,
    ports: Vec<Port>,
}

struct Port {
    number: u16,
    target: Target,
}

enum Target {
    Number(u16),
    Name(String),
}

/// Where a connection to a Service's port goes.
pub(crate) enum Backends<'a> {
    /// The Service has no such port.
    NoPort,
    /// These pods, and the port of each; perhaps none.
    Pods(Vec<(&'a Pod, u16)>),
}

impl Service {
    pub(crate) fn of(object: &Value) -> Self {
        let (meta, spec) = (&object["metadata"], &object["spec"]);
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let list = |v: &Value| -> Vec<IpAddr> {
            let values = v.as_array().into_iter().flatten();
            values.filter_map(|ip| ip.as_str()?.parse().ok()).collect()
        };
        let mut cluster_ips = list(&spec["clusterIPs"]);
        if cluster_ips.is_empty() {
            cluster_ips.extend(
                spec["clusterIP"]
                    .as_str()
                    .and_then(|ip| ip.parse::<IpAddr>().ok()),
            );
        }
        let balancers = object["status"]["loadBalancer"]["ingress"].as_array();
        let balancers = balancers.into_iter().flatten();
        let mut outside_ips: Vec<IpAddr> = balancers
            .filter_map(|i| i["ip"].as_str()?.parse().ok())
            .collect();
        outside_ips.extend(list(&spec["externalIPs"]));
        let selector = spec["selector"].as_object().into_iter().flatten();
        Self {
            namespace: text(&meta["namespace"]),
            name: text(&meta["name"]),
            cluster_ips,
            outside_ips,
            external_name: spec["externalName"].as_str().map(str::to_owned),
            selector: selector.map(|(k, v)| (k.clone(), text(v))).collect(),
            ports: spec["ports"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Port::of)
                .collect(),
        }
    }

    /// The pods behind one of its ports, in the Service's own cluster.
    pub(crate) fn backends<'a>(&self, port: u16, cluster: &'a Cluster) -> Backends<'a> {
        let Some(port) = self.ports.iter().find(|p| p.number == port) else {
            return Backends::NoPort;
        };
        let pods = cluster.pods().filter(|p| self.selects(p) && p.is_ready());
        let target = |pod: &'a Pod| match &port.target {
            Target::Number(number) => Some((pod, *number)),
            Target::Name(name) => Some((pod, u16::try_from(pod.named_port(name)?).ok()?)),
        };
        Backends::Pods(pods.filter_map(target).collect())
    }

    /// The pods that a headless Service's name stands for.
    pub(crate) fn pods<'a>(&'a self, cluster: &'a Cluster) -> impl Iterator<Item = &'a Pod> {
        cluster.pods().filter(|p| self.selects(p) && p.is_ready())
    }

    fn selects(&self, pod: &Pod) -> bool {
        let has = |(key, value): (&String, &String)| pod.labels().get(key) == Some(value);
        let same = pod.id().namespace == self.namespace;
        same && !self.selector.is_empty() && self.selector.iter().all(has)
    }
}

impl Port {
    /// A TCP port.
    fn of(port: &Value) -> Option<Self> {
        if port["protocol"].as_str().is_some_and(|p| p != "TCP") {
            return None;
        }
        let number = u16::try_from(port["port"].as_u64()?).ok()?;
        let target = match &port["targetPort"] {
            Value::String(name) => Target::Name(name.clone()),
            other => {
                let said = other.as_u64().and_then(|n| u16::try_from(n).ok());
                Target::Number(said.filter(|n| *n > 0).unwrap_or(number))
            }
        };
        Some(Self { number, target })
    }
}
