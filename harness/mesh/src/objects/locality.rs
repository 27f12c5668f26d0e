//! Where workloads run: region, zone, subzone (`pilot/pkg/serviceregistry/util/label`, `pkg/model/proxy.go`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Meta, pod::Pod};
use crate::api::Labels;

const REGION: &str = "topology.kubernetes.io/region";
const ZONE: &str = "topology.kubernetes.io/zone";
const SUBZONE: &str = "topology.istio.io/subzone";

/// Where a workload runs; all empty where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Locality {
    pub(crate) region: String,
    zone: String,
    subzone: String,
}

/// Where the nodes are, by name.
pub(crate) type Nodes = BTreeMap<String, Locality>;

impl Locality {
    /// `region/zone/subzone`, or the beginning of it.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = text.split('/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Self {
            region: next(),
            zone: next(),
            subzone: next(),
        }
    }

    /// What a workload's label says; a label without slashes has dots in their place.
    pub(crate) fn of_labels(labels: &Labels) -> Option<Self> {
        let said = labels
            .get("topology.istio.io/locality")
            .or_else(|| labels.get("istio-locality"))
            .filter(|said| !said.is_empty())?;
        Some(if said.contains('/') {
            Self::parse(said)
        } else {
            Self::parse(&said.replace('.', "/"))
        })
    }

    /// What a node's labels say.
    pub(crate) fn of_node(meta: &Meta) -> Self {
        let label = |names: &[&str]| {
            let found = names.iter().find_map(|n| meta.labels.get(*n));
            found.cloned().unwrap_or_default()
        };
        Self {
            region: label(&[REGION, "failure-domain.beta.kubernetes.io/region"]),
            zone: label(&[ZONE, "failure-domain.beta.kubernetes.io/zone"]),
            subzone: label(&[SUBZONE]),
        }
    }

    /// Where a pod runs: as its own label says, else where its node is.
    pub(crate) fn of_pod(pod: &Pod, nodes: &Nodes) -> Self {
        Self::of_labels(&pod.meta.labels)
            .or_else(|| nodes.get(&pod.node).cloned())
            .unwrap_or_default()
    }

    /// Adds what is known to labels.
    pub(crate) fn add_to(&self, labels: &mut Labels) {
        for (name, value) in [
            (REGION, &self.region),
            (ZONE, &self.zone),
            (SUBZONE, &self.subzone),
        ] {
            if !value.is_empty() {
                labels.insert(name.to_owned(), value.clone());
            }
        }
    }

    /// Whether a pattern of a rule means it; `*` is any, and what is left out too.
    pub(crate) fn is_meant_by(&self, pattern: &str) -> bool {
        let pattern = Self::parse(pattern);
        let any = |p: &str, own: &str| p == "*" || p.is_empty() || p == own;
        (pattern.region == "*" || pattern.region == self.region)
            && any(&pattern.zone, &self.zone)
            && any(&pattern.subzone, &self.subzone)
    }

    /// How far another is: 0 the same subzone, 1 the same zone, 2 the same region, 3 elsewhere.
    pub(crate) fn distance(&self, other: &Self) -> u32 {
        if self.region != other.region {
            3
        } else if self.zone != other.zone {
            2
        } else {
            u32::from(self.subzone != other.subzone)
        }
    }

    pub(crate) fn to_envoy(&self) -> Value {
        let mut out = Map::new();
        for (name, value) in [
            ("region", &self.region),
            ("zone", &self.zone),
            ("sub_zone", &self.subzone),
        ] {
            if !value.is_empty() {
                out.insert(name.to_owned(), value.clone().into());
            }
        }
        out.into()
    }
}
