//! `DestinationRule`s, merged by host and found as Istio finds them: in the client's namespace, then in
//! the service's, then in the root namespace (`pilot/pkg/model/push_context.go`, `destination_rule.go`).

use std::collections::{BTreeMap, BTreeSet};

use super::{Config, Meta};
use crate::{
    api::{Labels, destination_rule::DestinationRule},
    host,
};

/// Rules of one host and one audience, made one.
#[derive(Clone, Debug)]
pub(crate) struct MergedRule {
    pub(crate) meta: Meta,
    pub(crate) spec: DestinationRule,
    export_to: BTreeSet<String>,
}

impl MergedRule {
    pub(crate) fn selector(&self) -> Option<&Labels> {
        self.spec
            .workload_selector
            .as_ref()
            .map(|s| &s.match_labels)
    }
}

/// Merged rules by host.
type ByHost = BTreeMap<String, Vec<MergedRule>>;

/// All rules, by who may see them.
#[derive(Debug, Default)]
pub(crate) struct RuleIndex {
    local: BTreeMap<String, ByHost>,
    exported: BTreeMap<String, ByHost>,
    root_local: ByHost,
    root_namespace: String,
}

impl RuleIndex {
    pub(crate) fn of(mut rules: Vec<Config<DestinationRule>>, root_namespace: &str) -> Self {
        // Rules with a selector come first, so that they are not merged into wide ones.
        let key = |c: &Config<DestinationRule>| c.spec.workload_selector.is_none();
        rules.sort_by(|a, b| {
            key(a)
                .cmp(&key(b))
                .then_with(|| a.meta.order().cmp(&b.meta.order()))
        });
        let mut index = Self {
            root_namespace: root_namespace.to_owned(),
            ..Self::default()
        };
        for rule in rules {
            index.add(rule);
        }
        index
    }

    fn add(&mut self, mut rule: Config<DestinationRule>) {
        let namespace = rule.meta.namespace.clone();
        rule.spec.host = host::resolve(&rule.spec.host, &namespace);
        let export_to: BTreeSet<String> = if rule.spec.workload_selector.is_some() {
            BTreeSet::from([".".to_owned()])
        } else {
            rule.spec.export_to.iter().cloned().collect()
        };
        let has = |e: &str| export_to.contains(e);
        if export_to.is_empty() || has("*") || has(".") || has(&namespace) {
            merge(
                self.local.entry(namespace.clone()).or_default(),
                &rule,
                &export_to,
            );
        }
        let private = export_to.len() == 1 && (has(".") || has(&namespace));
        if !private {
            merge(
                self.exported.entry(namespace).or_default(),
                &rule,
                &export_to,
            );
        } else if namespace == self.root_namespace {
            merge(&mut self.root_local, &rule, &export_to);
        }
    }

    /// The rules for a service as a proxy of `client` sees them.
    pub(crate) fn find(
        &self,
        client: &str,
        service_host: &str,
        service_namespace: &str,
    ) -> Vec<&MergedRule> {
        let own = if client == self.root_namespace {
            most_specific(&self.root_local, service_host)
        } else {
            self.local
                .get(client)
                .and_then(|rules| most_specific(rules, service_host))
        };
        if let Some(rules) = own {
            return rules.iter().collect();
        }
        for owner in [service_namespace, self.root_namespace.as_str()] {
            let found = self.exported_from(owner, service_host, client);
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    fn exported_from(&self, owner: &str, service_host: &str, client: &str) -> Vec<&MergedRule> {
        let rules = self
            .exported
            .get(owner)
            .and_then(|rules| most_specific(rules, service_host));
        let seen = |r: &&MergedRule| {
            r.export_to.is_empty() || r.export_to.contains("*") || r.export_to.contains(client)
        };
        rules.into_iter().flatten().filter(seen).collect()
    }
}

/// The rules of the host itself, or of the longest wildcard that covers it.
fn most_specific<'a>(rules: &'a ByHost, service_host: &str) -> Option<&'a Vec<MergedRule>> {
    if let Some(found) = rules.get(service_host) {
        return Some(found);
    }
    rules
        .iter()
        .filter(|(pattern, _)| pattern.starts_with('*') && host::subset_of(service_host, pattern))
        .max_by_key(|(pattern, _)| pattern.len())
        .map(|(_, found)| found)
}

fn merge(rules: &mut ByHost, rule: &Config<DestinationRule>, export_to: &BTreeSet<String>) {
    let list = rules.entry(rule.spec.host.clone()).or_default();
    let mut separate = true;
    for existing in list.iter_mut() {
        if *export_to == existing.export_to {
            separate = false;
        } else if !existing.export_to.is_empty() && export_to.is_superset(&existing.export_to) {
            separate = true;
        } else {
            separate = true;
            continue;
        }
        let selector = rule
            .spec
            .workload_selector
            .as_ref()
            .map(|s| &s.match_labels);
        match (existing.selector(), selector) {
            (Some(a), Some(b)) if a != b => {
                separate = true;
                continue;
            }
            (Some(_), Some(_)) | (None, None) => separate = false,
            _ => {}
        }
        absorb(&mut existing.spec, &rule.spec);
    }
    if separate {
        list.push(MergedRule {
            meta: rule.meta.clone(),
            spec: rule.spec.clone(),
            export_to: export_to.clone(),
        });
    }
}

/// The first rule's words stand; a later one adds subsets, and a policy where there was none.
fn absorb(into: &mut DestinationRule, rule: &DestinationRule) {
    for subset in &rule.subsets {
        if !into.subsets.iter().any(|s| s.name == subset.name) {
            into.subsets.push(subset.clone());
        }
    }
    if into.traffic_policy.is_none() {
        into.traffic_policy.clone_from(&rule.traffic_policy);
    }
}
