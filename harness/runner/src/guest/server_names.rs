//! The server names that a run's sessions can ask for, by which lines of others are told at gateways that
//! several runs and live traffic share.

use std::collections::BTreeSet;

use meshproof_scenario::{Overlay, Scenario};
use serde_json::Value;

use crate::setup::Setup;

/// What sessions of this run may have as their server name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerNames(BTreeSet<String>);

/// How Istio's own names for services of the mesh begin: anybody's sidecar may ask for them.
const OF_THE_MESH: &str = "outbound_";

impl ServerNames {
    /// Every name that the scenario has somebody ask for. Sidecars and gateways ask for what a `sni` says, the
    /// prober for what its case says, and MySQL clients for nothing.
    pub(crate) fn of(scenario: &Scenario, setups: [&Setup; 2]) -> Self {
        let mut names = Self::default();
        names.add(&scenario.certificates.dns_name);
        for manifest in setups.iter().flat_map(|setup| &setup.manifests) {
            names.search(false, &manifest.object);
        }
        for (_, _, edit) in scenario.all_overlays().flat_map(Overlay::edits) {
            for (pointer, value) in &edit.set {
                names.search(pointer.ends_with("/sni"), &value.value);
            }
            if let Some(new) = &edit.create {
                names.search(false, &new.value);
            }
        }
        for case in scenario.cases.iter() {
            let sni = case.tls.iter().filter_map(|tls| tls.value.sni.as_ref());
            sni.for_each(|name| names.add(name));
            names.add(case.to.rsplit_once(':').map_or("", |(host, _)| host));
        }
        names
    }

    fn add(&mut self, name: &str) {
        self.0.insert(name.to_ascii_lowercase());
    }

    fn search(&mut self, is_name: bool, value: &Value) {
        match value {
            Value::String(text) if is_name => self.add(text),
            Value::Array(items) => items.iter().for_each(|item| self.search(false, item)),
            Value::Object(fields) => fields
                .iter()
                .for_each(|(key, field)| self.search(key == "sni", field)),
            _ => {}
        }
    }

    /// Whether a server name shows that somebody else asked for it.
    pub(crate) fn is_foreign(&self, name: &str) -> bool {
        let mesh = name.starts_with(OF_THE_MESH);
        !(mesh || self.0.is_empty() || self.0.contains(&name.to_ascii_lowercase()))
    }
}
