//! `DestinationRule`s, merged by host and found as Istio finds them: in the client's namespace, then in
//! the service's, then in the root namespace (`pilot/pkg/model/push_context.go`, `destination_rule.go`).

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Included, Unbounded},
    sync::Arc,
};

use super::{Config, Meta};
use crate::{
    Conflict,
    api::{Labels, destination_rule::DestinationRule},
    host,
};

/// Rules of one host and one audience, made one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MergedRule {
    pub(crate) meta: Meta,
    pub(crate) spec: DestinationRule,
    export_to: BTreeSet<String>,
    /// What of the rules merged into this one takes no effect.
    pub(crate) conflicts: Vec<Conflict>,
}

impl MergedRule {
    pub(crate) fn selector(&self) -> Option<&Labels> {
        self.spec
            .workload_selector
            .as_ref()
            .map(|s| &s.match_labels)
    }
}

impl MergedRule {
    fn lose(&mut self, what: &str, rule: &Config<DestinationRule>) {
        let name = |meta: &Meta| format!("DestinationRule {}/{}", meta.namespace, meta.name);
        self.conflicts.push(Conflict {
            place: format!("{what} host {}", self.spec.host),
            winner: name(&self.meta),
            loser: name(&rule.meta),
            reason: "rules for one host are merged, and the earlier one's words stand".into(),
        });
    }
}

/// Merged rules by host.
type ByHost = BTreeMap<String, Vec<Arc<MergedRule>>>;

/// All rules, by who may see them.
#[derive(Debug, Default)]
pub(crate) struct RuleIndex {
    local: BTreeMap<String, ByHost>,
    exported: BTreeMap<String, ByHost>,
    root_local: ByHost,
    root_namespace: String,
}

impl RuleIndex {
    /// Merges rules; what comes out as it is in `before` keeps its `Arc`.
    pub(crate) fn of(
        mut rules: Vec<Arc<Config<DestinationRule>>>,
        root_namespace: &str,
        before: Option<&Self>,
    ) -> Self {
        // Rules with a selector come first, so that they are not merged into wide ones.
        let key = |c: &Arc<Config<DestinationRule>>| c.spec.workload_selector.is_none();
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
            index.add((*rule).clone());
        }
        if let Some(before) = before {
            index.keep(before);
        }
        index
    }

    fn keep(&mut self, before: &Self) {
        keep(&mut self.root_local, &before.root_local);
        for (new, old) in [
            (&mut self.local, &before.local),
            (&mut self.exported, &before.exported),
        ] {
            for (namespace, rules) in new {
                if let Some(old) = old.get(namespace) {
                    keep(rules, old);
                }
            }
        }
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
    ) -> Vec<&Arc<MergedRule>> {
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

    fn exported_from(
        &self,
        owner: &str,
        service_host: &str,
        client: &str,
    ) -> Vec<&Arc<MergedRule>> {
        let rules = self
            .exported
            .get(owner)
            .and_then(|rules| most_specific(rules, service_host));
        let seen = |r: &&Arc<MergedRule>| {
            r.export_to.is_empty() || r.export_to.contains("*") || r.export_to.contains(client)
        };
        rules.into_iter().flatten().filter(seen).collect()
    }
}

fn keep(rules: &mut ByHost, before: &ByHost) {
    for (host, merged) in rules {
        for rule in merged {
            let mut old = before.get(host).into_iter().flatten();
            if let Some(old) = old.find(|old| *old == rule) {
                *rule = Arc::clone(old);
            }
        }
    }
}

/// The rules of the host itself, or of the longest wildcard that covers it.
fn most_specific<'a>(rules: &'a ByHost, service_host: &str) -> Option<&'a Vec<Arc<MergedRule>>> {
    if let Some(found) = rules.get(service_host) {
        return Some(found);
    }
    rules
        .range::<str, _>((Included("*"), Unbounded))
        .take_while(|(pattern, _)| pattern.starts_with('*'))
        .filter(|(pattern, _)| host::subset_of(service_host, pattern))
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
        absorb(Arc::make_mut(existing), rule);
    }
    if separate {
        list.push(Arc::new(MergedRule {
            meta: rule.meta.clone(),
            spec: rule.spec.clone(),
            export_to: export_to.clone(),
            conflicts: Vec::new(),
        }));
    }
}

/// The first rule's words stand; a later one adds subsets, and a policy where there was none.
fn absorb(into: &mut MergedRule, rule: &Config<DestinationRule>) {
    for subset in &rule.spec.subsets {
        if into.spec.subsets.iter().any(|s| s.name == subset.name) {
            into.lose(&format!("subset {} of", subset.name), rule);
        } else {
            into.spec.subsets.push(subset.clone());
        }
    }
    if into.spec.traffic_policy.is_none() {
        into.spec
            .traffic_policy
            .clone_from(&rule.spec.traffic_policy);
    } else if rule.spec.traffic_policy.is_some() {
        into.lose("trafficPolicy for", rule);
    }
}
