//! `ExternalName` services: other names for a service.

use std::{collections::BTreeMap, sync::Arc};

use super::service::{Resolution, Service};

/// Which `ExternalName` services mean a host, also by way of others, sorted by namespace and name
/// (`resolveServiceAliases` in `pilot/pkg/model/push_context.go`).
pub(super) fn by_host(services: &[Arc<Service>]) -> BTreeMap<String, Vec<String>> {
    let raw: BTreeMap<String, String> = services
        .iter()
        .filter(|s| s.resolution == Resolution::Alias)
        .filter_map(|s| Some((s.host.clone(), s.external_name.clone()?)))
        .collect();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for alias in raw.keys() {
        if let Some(target) = last_of(&raw, alias) {
            found
                .entry(target.to_owned())
                .or_default()
                .push(alias.clone());
        }
    }
    let place = |alias: &String| {
        let namespace = alias.split('.').nth(1).unwrap_or_default();
        (namespace.to_owned(), alias.clone())
    };
    for aliases in found.values_mut() {
        aliases.sort_by_cached_key(place);
    }
    found
}

/// Where a chain of aliases ends; one that goes round in circles means nothing.
fn last_of<'a>(raw: &'a BTreeMap<String, String>, alias: &str) -> Option<&'a str> {
    let mut seen = vec![alias];
    let mut target = raw.get(alias)?;
    while let Some(next) = raw.get(target) {
        if seen.contains(&target.as_str()) {
            return None;
        }
        seen.push(target);
        target = next;
    }
    Some(target)
}
