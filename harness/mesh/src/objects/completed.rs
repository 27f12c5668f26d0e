//! Services with their endpoints, and pods and services found by each other's labels.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{ProxyId, endpoints, pod::Pod, service::Service};
use crate::{MeshConfig, api::Labels};

/// Services with their endpoints, by the address of the declaration that each was made from.
#[derive(Debug, Default)]
pub(super) struct Completed(HashMap<usize, Whole>);

#[derive(Debug)]
struct Whole {
    /// Keeps its address from meaning another.
    _declared: Arc<Service>,
    pods: Vec<Arc<Pod>>,
    service: Arc<Service>,
}

impl Completed {
    /// Gives each service the pods that it selects. One that has the same as `before` keeps its `Arc`.
    pub(super) fn of(
        declared: &[Arc<Service>],
        pods: &BTreeMap<ProxyId, Arc<Pod>>,
        mesh: &MeshConfig,
        before: Option<&Self>,
    ) -> Self {
        let index = PodIndex::of(pods);
        let whole = |declared: &Arc<Service>| {
            let key = Arc::as_ptr(declared).addr();
            let pods = index.of_service(declared);
            let old = before.and_then(|b| b.0.get(&key));
            let service = match old.filter(|old| is_same(&old.pods, &pods)) {
                Some(old) => Arc::clone(&old.service),
                None => complete(declared, &pods, mesh, old),
            };
            let whole = Whole {
                _declared: Arc::clone(declared),
                pods,
                service,
            };
            (key, whole)
        };
        Self(declared.iter().map(whole).collect())
    }

    /// In Istio's order of services.
    pub(super) fn oldest_first(&self, declared: &[Arc<Service>]) -> Vec<Arc<Service>> {
        let whole = |d: &Arc<Service>| {
            self.0
                .get(&Arc::as_ptr(d).addr())
                .map(|w| Arc::clone(&w.service))
        };
        let mut services: Vec<Arc<Service>> = declared.iter().filter_map(whole).collect();
        services.sort_by(|a, b| order(a).cmp(&order(b)));
        services
    }
}

fn order(service: &Service) -> (&str, &str, &str) {
    (&service.created, &service.name, &service.namespace)
}

fn is_same(one: &[Arc<Pod>], other: &[Arc<Pod>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| Arc::ptr_eq(a, b))
}

fn complete(
    declared: &Arc<Service>,
    pods: &[Arc<Pod>],
    mesh: &MeshConfig,
    old: Option<&Whole>,
) -> Arc<Service> {
    if declared.selector.is_none() {
        return Arc::clone(declared);
    }
    let mut service = (**declared).clone();
    service.endpoints = endpoints::of_pods(declared, pods, mesh);
    match old.filter(|old| *old.service == service) {
        Some(old) => Arc::clone(&old.service),
        None => Arc::new(service),
    }
}

/// Namespace, key and value of a label.
type Label<'a> = (&'a str, &'a str, &'a str);

/// Pods by each of their labels, in their own order.
struct PodIndex<'a>(HashMap<Label<'a>, Vec<&'a Arc<Pod>>>);

impl<'a> PodIndex<'a> {
    fn of(pods: &'a BTreeMap<ProxyId, Arc<Pod>>) -> Self {
        let mut index: HashMap<Label<'a>, Vec<&'a Arc<Pod>>> = HashMap::new();
        for pod in pods.values() {
            for label in labels(&pod.meta.namespace, &pod.meta.labels) {
                index.entry(label).or_default().push(pod);
            }
        }
        Self(index)
    }

    /// The pods that a service selects.
    fn of_service(&self, service: &Service) -> Vec<Arc<Pod>> {
        let Some(selector) = &service.selector else {
            return Vec::new();
        };
        let found = labels(&service.namespace, selector).map(|label| self.0.get(&label));
        // A label that no pod has selects none.
        let Some(Some(fewest)) = found.min_by_key(|pods| pods.map_or(0, Vec::len)) else {
            return Vec::new();
        };
        let selected = fewest.iter().filter(|pod| service.selects(pod));
        selected.map(|pod| Arc::clone(pod)).collect()
    }
}

fn labels<'a>(namespace: &'a str, labels: &'a Labels) -> impl Iterator<Item = Label<'a>> {
    labels
        .iter()
        .map(move |(key, value)| (namespace, key.as_str(), value.as_str()))
}

/// Positions of services by one label of their selectors.
#[derive(Debug, Default)]
pub(super) struct BySelector(HashMap<String, HashMap<(String, String), Vec<usize>>>);

impl BySelector {
    pub(super) fn of(services: &[Arc<Service>]) -> Self {
        let mut index = Self::default();
        for (position, service) in services.iter().enumerate() {
            let Some((key, value)) = service.selector.iter().flatten().next() else {
                continue;
            };
            let of_namespace = index.0.entry(service.namespace.clone()).or_default();
            let label = (key.clone(), value.clone());
            of_namespace.entry(label).or_default().push(position);
        }
        index
    }

    /// Positions of the services that may select a pod, in order.
    pub(super) fn of_pod(&self, pod: &Pod) -> Vec<usize> {
        let Some(of_namespace) = self.0.get(&pod.meta.namespace) else {
            return Vec::new();
        };
        let labels = pod.meta.labels.iter();
        let mut found: Vec<usize> = labels
            .filter_map(|(key, value)| of_namespace.get(&(key.clone(), value.clone())))
            .flatten()
            .copied()
            .collect();
        found.sort_unstable();
        found
    }
}
