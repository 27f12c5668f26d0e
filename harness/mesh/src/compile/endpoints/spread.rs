//! How connections spread over places: by default none; with outlier detection the nearest endpoints first;
//! or shares that a rule says (`pilot/pkg/networking/core/loadbalancer/loadbalancer.go`).

use std::collections::BTreeMap;

use crate::{
    api::{
        Labels,
        destination_rule::{Failover, LocalityLb},
    },
    objects::{Client, endpoints::Endpoint, locality::Locality},
};

/// Endpoints of one place that are used alike.
#[derive(Clone, Debug)]
pub(crate) struct Group<'a> {
    pub(crate) locality: &'a Locality,
    pub(crate) endpoints: Vec<&'a Endpoint>,
    pub(crate) weight: u32,
    pub(crate) priority: u32,
}

/// The endpoints by place, in order of the places.
pub(crate) fn by_place<'a>(endpoints: Vec<&'a Endpoint>) -> Vec<Group<'a>> {
    let mut places: BTreeMap<&'a Locality, Vec<&'a Endpoint>> = BTreeMap::new();
    for endpoint in endpoints {
        places.entry(&endpoint.locality).or_default().push(endpoint);
    }
    places
        .into_iter()
        .map(|(locality, endpoints)| group(locality, endpoints, 0))
        .collect()
}

fn group<'a>(locality: &'a Locality, endpoints: Vec<&'a Endpoint>, priority: u32) -> Group<'a> {
    let weight = endpoints
        .iter()
        .fold(0, |sum: u32, e| sum.saturating_add(e.weight));
    Group {
        locality,
        endpoints,
        weight,
        priority,
    }
}

/// As a rule or the mesh says; where they say nothing, the nearest first where failures are seen.
pub(crate) fn spread<'a>(
    groups: Vec<Group<'a>>,
    said: &LocalityLb,
    client: &Client,
    sees_failures: bool,
) -> Vec<Group<'a>> {
    if said.enabled == Some(false) {
        return groups;
    }
    if !said.distribute.is_empty() {
        return distribute(groups, said, &client.locality);
    }
    if !sees_failures {
        return groups;
    }
    let has_labels = !said.failover_priority.is_empty();
    let mut groups = if has_labels {
        by_labels(&groups, &said.failover_priority, &client.labels)
    } else {
        groups
    };
    if !has_labels || !said.failover.is_empty() {
        nearest_first(&mut groups, &said.failover, &client.locality);
    }
    groups
}

/// Shares of the first entry that means the client's place. Places without a share get nothing.
fn distribute<'a>(groups: Vec<Group<'a>>, said: &LocalityLb, own: &Locality) -> Vec<Group<'a>> {
    let Some(entry) = said.distribute.iter().find(|d| own.is_meant_by(&d.from)) else {
        return groups;
    };
    let mut left = groups;
    let mut kept = Vec::new();
    for (pattern, share) in &entry.to {
        let (mut meant, others): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|g| g.locality.is_meant_by(pattern));
        left = others;
        let total: u64 = meant.iter().map(|g| u64::from(g.weight)).sum();
        for group in &mut meant {
            // Divided among the places that the pattern means, rounded up.
            let weight = (u64::from(group.weight) * share).div_ceil(total.max(1));
            group.weight = u32::try_from(weight).unwrap_or(u32::MAX);
        }
        kept.extend(meant);
    }
    kept.sort_by_key(|g| g.locality);
    kept
}

/// Splits each place by how many of the labels, in their order, are the client's own. A label may be given
/// another value than the client's: `name=value`.
fn by_labels<'a>(groups: &[Group<'a>], names: &[String], own: &Labels) -> Vec<Group<'a>> {
    let wanted: Vec<(&str, Option<&str>)> = names
        .iter()
        .map(|name| match name.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (name.as_str(), own.get(name).map(String::as_str)),
        })
        .collect();
    let mut split = Vec::new();
    for place in groups {
        let mut by_rank: BTreeMap<u32, Vec<&Endpoint>> = BTreeMap::new();
        for endpoint in &place.endpoints {
            by_rank
                .entry(rank(&wanted, &endpoint.labels))
                .or_default()
                .push(endpoint);
        }
        split.extend(
            by_rank
                .into_iter()
                .map(|(rank, e)| group(place.locality, e, rank)),
        );
    }
    without_gaps(&mut split);
    split
}

/// 0 where all labels are as wanted. The network, where it is first, is left out of the count and adds to it.
fn rank(wanted: &[(&str, Option<&str>)], labels: &Labels) -> u32 {
    let count = wanted.len();
    let mut adjust = 0;
    let mut rank = 0;
    for (index, (name, value)) in wanted.iter().enumerate() {
        let found = labels.get(*name).map_or("", String::as_str);
        if value.unwrap_or_default() == found {
            continue;
        }
        if index == 0 && *name == "topology.istio.io/network" {
            adjust = count;
            continue;
        }
        rank = count - index;
        break;
    }
    u32::try_from(rank + adjust).unwrap_or(u32::MAX)
}

/// The nearest first; of other regions, those that a rule sends the client's region to before the rest.
fn nearest_first(groups: &mut [Group<'_>], failover: &[Failover], own: &Locality) {
    let to = failover
        .iter()
        .find(|f| f.from == own.region)
        .map(|f| &f.to);
    for group in groups.iter_mut() {
        let mut distance = own.distance(group.locality);
        if distance == 3 && to.is_some_and(|to| group.locality.region != *to) {
            distance = 4;
        }
        group.priority = group.priority * 5 + distance;
    }
    without_gaps(groups);
}

/// Envoy wants priorities from 0 on without gaps.
fn without_gaps(groups: &mut [Group<'_>]) {
    let mut seen: Vec<u32> = groups.iter().map(|g| g.priority).collect();
    seen.sort_unstable();
    seen.dedup();
    for group in groups {
        let place = seen.binary_search(&group.priority).unwrap_or_default();
        group.priority = u32::try_from(place).unwrap_or(u32::MAX);
    }
}
