//! Routes of the mesh, found by a service's host.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::{api::virtual_service::VirtualService, host, objects::Config};

/// Routes of the mesh in Istio's order, found by a service's host.
#[derive(Default)]
pub(crate) struct Routes {
    all: Vec<Arc<Config<VirtualService>>>,
    exact: HashMap<String, Vec<usize>>,
    wild: Vec<usize>,
}

impl Routes {
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Config<VirtualService>>> {
        self.all.iter()
    }

    pub(super) fn of(found: Vec<&Arc<Config<VirtualService>>>) -> Self {
        let mut routes = Self::default();
        for (index, config) in found.into_iter().enumerate() {
            let hosts: BTreeSet<&String> = config.spec.hosts.iter().collect();
            if hosts.iter().any(|h| h.contains('*')) {
                routes.wild.push(index);
            } else {
                for host in hosts {
                    routes.exact.entry(host.clone()).or_default().push(index);
                }
            }
            routes.all.push(Arc::clone(config));
        }
        routes
    }

    pub(super) fn of_host(&self, host: &str) -> impl Iterator<Item = &Arc<Config<VirtualService>>> {
        let mut candidates: Vec<usize> = if host.contains('*') {
            (0..self.all.len()).collect()
        } else {
            let exact = self.exact.get(host).into_iter().flatten();
            exact.chain(&self.wild).copied().collect()
        };
        candidates.sort_unstable();
        let matches = move |v: &&Arc<Config<VirtualService>>| {
            v.spec.hosts.iter().any(|h| host::matches(h, host))
        };
        candidates.into_iter().map(|i| &self.all[i]).filter(matches)
    }
}
