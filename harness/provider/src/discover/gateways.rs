//! Gateways, by the labels that Istio's charts and profiles give them. Pure.

use k8s_openapi::api::core::v1::{Pod, Service};
use meshproof_cluster::Side;

use super::istio;
use super::labels::{Labels, labels};

/// Which of the two gateways of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayKind {
    /// In the client's cluster.
    Egress,
    /// In the server's cluster.
    Ingress,
}

/// What a gateway's pods and Services are found by: one list for each key. The profiles and older charts say
/// `istio=egressgateway` and `app=istio-egressgateway`; the chart `gateway` makes both of the release's name, which
/// Istio's documentation calls `istio-egress` or `istio-egressgateway`.
pub(super) const SELECTORS: [&str; 2] = [
    "istio in (egressgateway,egress,ingressgateway,ingress)",
    "app in (istio-egressgateway,istio-egress,istio-ingressgateway,istio-ingress)",
];

impl GatewayKind {
    /// The gateway that a side has.
    pub fn of(side: Side) -> Self {
        match side {
            Side::Client => Self::Egress,
            Side::Server => Self::Ingress,
        }
    }

    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Egress => "egress gateway",
            Self::Ingress => "ingress gateway",
        }
    }

    /// Labels, the most usual first.
    pub(crate) fn labels(self) -> [(&'static str, &'static str); 4] {
        match self {
            Self::Egress => [
                ("istio", "egressgateway"),
                ("app", "istio-egressgateway"),
                ("istio", "egress"),
                ("app", "istio-egress"),
            ],
            Self::Ingress => [
                ("istio", "ingressgateway"),
                ("app", "istio-ingressgateway"),
                ("istio", "ingress"),
                ("app", "istio-ingress"),
            ],
        }
    }
}

/// A gateway: what has one of its labels in one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Where it lives.
    pub namespace: String,
    /// The label that it was found by, as a selector.
    pub selector: String,
    /// Its pods that are not going away, and whether they are ready.
    pub pods: Vec<(String, bool)>,
    /// What its proxies are, by their image.
    pub version: Option<String>,
    /// The Service in front of them.
    pub service: Option<GatewayService>,
}

/// What matters of a gateway's Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayService {
    /// Its name.
    pub name: String,
    /// `ClusterIP`, `NodePort`, `LoadBalancer`.
    pub kind: String,
    /// TCP ports.
    pub ports: Vec<i32>,
    /// IP or host name of the load balancer.
    pub address: Option<String>,
}

/// Gateways of a kind: those with ready pods first, then those in Istio's own namespace, then by namespace.
pub(super) fn gateways(kind: GatewayKind, pods: &[Pod], services: &[Service]) -> Vec<Gateway> {
    let mut found: Vec<Gateway> = Vec::new();
    for (key, value) in kind.labels() {
        let label = labels(&[(key, value)]);
        let of_pods = pods
            .iter()
            .filter(|pod| has(pod.metadata.labels.as_ref(), &label));
        let of_services = services.iter();
        let of_services =
            of_services.filter(|service| has(service.metadata.labels.as_ref(), &label));
        let namespaces = of_pods.map(|pod| pod.metadata.namespace.clone());
        let namespaces =
            namespaces.chain(of_services.map(|service| service.metadata.namespace.clone()));
        for namespace in namespaces.flatten() {
            if !found.iter().any(|gateway| gateway.namespace == namespace) {
                found.push(gateway(&namespace, &label, pods, services));
            }
        }
    }
    found.sort_by_key(|gateway| {
        let unready = !gateway.pods.iter().any(|(_, ready)| *ready);
        (
            unready,
            gateway.namespace != istio::ROOT,
            gateway.namespace.clone(),
        )
    });
    found
}

fn gateway(namespace: &str, label: &Labels, pods: &[Pod], services: &[Service]) -> Gateway {
    let here = |other: &Option<String>| other.as_deref() == Some(namespace);
    let pods: Vec<&Pod> = pods
        .iter()
        .filter(|pod| here(&pod.metadata.namespace) && has(pod.metadata.labels.as_ref(), label))
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .collect();
    let selects = |service: &&Service| {
        let selector = service
            .spec
            .as_ref()
            .and_then(|spec| spec.selector.as_ref());
        let selector = selector.filter(|selector| !selector.is_empty());
        let of_pods = selector.is_some_and(|selector| {
            pods.iter()
                .any(|pod| has(pod.metadata.labels.as_ref(), selector))
        });
        here(&service.metadata.namespace)
            && (of_pods || has(service.metadata.labels.as_ref(), label))
    };
    let version = pods
        .iter()
        .find_map(|pod| istio::version(pod.spec.as_ref()?, "istio-proxy"));
    let selector: Vec<String> = label
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    Gateway {
        namespace: namespace.to_owned(),
        selector: selector.join(","),
        version,
        service: services.iter().find(selects).map(service),
        pods: pods
            .iter()
            .map(|pod| (pod.metadata.name.clone().unwrap_or_default(), is_ready(pod)))
            .collect(),
    }
}

fn has(labels: Option<&Labels>, wanted: &Labels) -> bool {
    labels.is_some_and(|labels| {
        wanted
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
    })
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let mut ready = conditions.filter(|condition| condition.type_ == "Ready");
    ready.any(|condition| condition.status == "True")
}

fn service(service: &Service) -> GatewayService {
    let spec = service.spec.as_ref();
    let ports = spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let tcp = ports.filter(|port| {
        port.protocol
            .as_deref()
            .is_none_or(|protocol| protocol == "TCP")
    });
    let balancer = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref());
    let entries = balancer
        .iter()
        .flat_map(|balancer| balancer.ingress.iter().flatten());
    let kind = spec.and_then(|spec| spec.type_.clone());
    GatewayService {
        name: service.metadata.name.clone().unwrap_or_default(),
        kind: kind.unwrap_or_else(|| "ClusterIP".to_owned()),
        ports: tcp.map(|port| port.port).collect(),
        address: entries
            .clone()
            .find_map(|entry| entry.ip.clone().or_else(|| entry.hostname.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Pod {
        serde_json::from_str(include_str!("../../tests/data/egress.json")).unwrap()
    }

    fn egress() -> Service {
        serde_json::from_str(include_str!("../../tests/data/egress-service.json")).unwrap()
    }

    fn ingress() -> Service {
        serde_json::from_str(include_str!("../../tests/data/ingress-service.json")).unwrap()
    }

    #[test]
    fn the_recorded_ones() {
        let services = [egress(), ingress()];
        let found = gateways(GatewayKind::Egress, &[pod()], &services);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].selector, "istio=egressgateway");
        assert_eq!(
            found[0].pods,
            [("istio-egressgateway-596c8bc476-dzhmj".to_owned(), true)]
        );
        assert_eq!(found[0].version.as_deref(), Some("1.32.0"));
        let service = found[0].service.as_ref().unwrap();
        assert_eq!(
            (service.name.as_str(), &service.ports[..]),
            ("istio-egressgateway", &[80, 443, 15443][..])
        );
        let found = gateways(GatewayKind::Ingress, &[pod()], &services);
        assert_eq!(found[0].pods, []);
        let service = found[0].service.as_ref().unwrap();
        assert_eq!(service.address.as_deref(), Some("203.0.113.10"));
    }

    #[test]
    fn a_gateway_of_the_chart_in_a_namespace_of_its_own() {
        let mut pod = pod();
        pod.metadata.namespace = Some("edge".to_owned());
        pod.metadata.labels = Some(labels(&[("app", "istio-egress"), ("istio", "egress")]));
        let mut service = egress();
        service.metadata.namespace = Some("edge".to_owned());
        service.metadata.labels = None;
        service.spec.as_mut().unwrap().selector = Some(labels(&[("istio", "egress")]));
        let found = gateways(GatewayKind::Egress, &[pod], &[service]);
        assert_eq!(
            (found[0].namespace.as_str(), found[0].selector.as_str()),
            ("edge", "istio=egress")
        );
        assert!(found[0].service.is_some());
    }

    #[test]
    fn of_several_the_one_that_is_ready_comes_first() {
        let mut other = pod();
        other.metadata.namespace = Some("a".to_owned());
        other.status = None;
        let found = gateways(GatewayKind::Egress, &[other, pod()], &[]);
        assert_eq!(found[0].namespace, "istio-system");
        assert_eq!(found.len(), 2);
    }
}
