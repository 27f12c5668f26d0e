//! Services with their endpoints, and pods and services found by each other's labels.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    ProxyId, aliases,
    endpoints::{self, Endpoint},
    locality::Nodes,
    pod::Pod,
    pool::{Pool, Share},
    service::Service,
    workloads::Workload,
};
use crate::{MeshConfig, api::Labels};

/// Services with their endpoints, by the address of the declaration that each was made from.
#[derive(Debug, Default)]
pub(super) struct Completed(HashMap<usize, Whole>);

#[derive(Debug)]
struct Whole {
    /// Keeps its address from meaning another.
    _declared: Arc<Service>,
    own: Arc<Own>,
    /// What all declarations of the host and namespace bring.
    members: Vec<Arc<Own>>,
    service: Arc<Service>,
}

/// What one declaration brings: who it selects, and the endpoints.
#[derive(Debug)]
struct Own {
    pods: Vec<Arc<Pod>>,
    workloads: Vec<Arc<Workload>>,
    endpoints: Vec<Endpoint>,
}

/// Who can stand behind services.
pub(super) struct People<'a> {
    pub(super) pods: &'a BTreeMap<ProxyId, Arc<Pod>>,
    pub(super) workloads: &'a [Arc<Workload>],
    pub(super) nodes: &'a Nodes,
}

impl Completed {
    /// Gives each service its endpoints and other names. The services are in order. One that has the same
    /// as `before` keeps its `Arc`.
    pub(super) fn of(
        declared: &[Arc<Service>],
        people: &People<'_>,
        mesh: &MeshConfig,
        before: Option<&Self>,
    ) -> Self {
        let index = PodIndex::of(people.pods);
        let aliases = aliases::by_host(declared);
        let old = |d: &Arc<Service>| before.and_then(|b| b.0.get(&Arc::as_ptr(d).addr()));
        let mut groups: BTreeMap<(&str, &str), Vec<Declared<'_>>> = BTreeMap::new();
        for service in declared {
            let own = own(service, &index, people, mesh, old(service));
            let key = (service.namespace.as_str(), service.host.as_str());
            groups.entry(key).or_default().push((service, own));
        }
        let mut all = HashMap::new();
        for ((_, host), group) in groups {
            let names = aliases.get(host).map_or(&[][..], Vec::as_slice);
            let pool = pool(&group, mesh, old(group[0].0));
            let members: Vec<Arc<Own>> = group.iter().map(|(_, own)| Arc::clone(own)).collect();
            for (declared, own) in group {
                let whole = Whole {
                    service: complete(declared, &pool, names, old(declared)),
                    _declared: Arc::clone(declared),
                    own,
                    members: members.clone(),
                };
                all.insert(Arc::as_ptr(declared).addr(), whole);
            }
        }
        Self(all)
    }

    /// The services in the order of their declarations.
    pub(super) fn in_order(&self, declared: &[Arc<Service>]) -> Vec<Arc<Service>> {
        let whole = |d: &Arc<Service>| {
            self.0
                .get(&Arc::as_ptr(d).addr())
                .map(|w| Arc::clone(&w.service))
        };
        declared.iter().filter_map(whole).collect()
    }
}

/// Istio's order of services; the name of the object only makes it certain.
pub(super) fn order(service: &Service) -> (&str, &str, &str, &str) {
    (
        &service.created,
        &service.name,
        &service.namespace,
        &service.origin.name,
    )
}

fn is_same<T>(one: &[Arc<T>], other: &[Arc<T>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| Arc::ptr_eq(a, b))
}

fn own(
    declared: &Arc<Service>,
    index: &PodIndex<'_>,
    people: &People<'_>,
    mesh: &MeshConfig,
    old: Option<&Whole>,
) -> Arc<Own> {
    let pods = index.of_service(declared);
    let workloads: Vec<Arc<Workload>> = people
        .workloads
        .iter()
        .filter(|w| w.is_selected_by(declared))
        .cloned()
        .collect();
    let unchanged =
        |old: &&Whole| is_same(&old.own.pods, &pods) && is_same(&old.own.workloads, &workloads);
    if let Some(old) = old.filter(unchanged) {
        return Arc::clone(&old.own);
    }
    let endpoints = if declared.selector.is_some() {
        endpoints::selected(declared, &pods, &workloads, people.nodes, mesh)
    } else {
        declared.listed.clone()
    };
    Arc::new(Own {
        pods,
        workloads,
        endpoints,
    })
}

/// The endpoints of all declarations of one host and namespace.
fn pool(group: &[(&Arc<Service>, Arc<Own>)], mesh: &MeshConfig, old: Option<&Whole>) -> Arc<Pool> {
    let own = |old: &Whole| {
        let pairs = old.members.iter().zip(group);
        old.members.len() == group.len() && pairs.into_iter().all(|(a, (_, b))| Arc::ptr_eq(a, b))
    };
    if let Some(old) = old.filter(|old| own(old)) {
        return Arc::clone(&old.service.pool);
    }
    let shares: Vec<Share<'_>> = group
        .iter()
        .map(|(service, own)| Share {
            service,
            endpoints: &own.endpoints,
        })
        .collect();
    let pool = Pool::of(&shares, mesh);
    match old.filter(|old| *old.service.pool == pool) {
        Some(old) => Arc::clone(&old.service.pool),
        None => Arc::new(pool),
    }
}

/// A service as it is declared, and its own endpoints.
type Declared<'a> = (&'a Arc<Service>, Arc<Own>);

fn complete(
    declared: &Service,
    pool: &Arc<Pool>,
    aliases: &[String],
    old: Option<&Whole>,
) -> Arc<Service> {
    let unchanged =
        |old: &&Whole| Arc::ptr_eq(&old.service.pool, pool) && old.service.aliases == aliases;
    if let Some(old) = old.filter(unchanged) {
        return Arc::clone(&old.service);
    }
    let mut service = declared.clone();
    service.pool = Arc::clone(pool);
    service.aliases = aliases.to_vec();
    Arc::new(service)
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
