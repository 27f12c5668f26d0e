//! `loadBalancer` of a `DestinationRule`, judged in Istio's words
//! (`validateLoadBalancer` in `pkg/config/validation/validation.go`).

use super::{findings::Findings, names};
use crate::api::destination_rule::{ConsistentHash, LoadBalancer, LocalityLb, Maglev, Warmup};

pub(crate) fn validate(balancer: &LoadBalancer, sees_failures: bool) -> Findings {
    let mut found = Findings::default();
    if let Some(hash) = &balancer.consistent_hash {
        consistent_hash(hash, &mut found);
    }
    if let Some(said) = &balancer.locality_lb_setting {
        found.add(locality(said, sees_failures));
    }
    if let Some(said) = &balancer.warmup {
        warmup(said, &mut found);
    }
    found
}

fn consistent_hash(hash: &ConsistentHash, found: &mut Findings) {
    if hash.minimum_ring_size != 0 {
        found.warn("consistent hash MinimumRingSize is deprecated, use ConsistentHashLB's RingHash configuration instead");
        if hash.ring_hash.is_some() || hash.maglev.is_some() {
            found.fail("only one of MinimumRingSize or Maglev/Ringhash can be specified");
        }
    }
    if let Some(said) = &hash.maglev {
        maglev(said, found);
    }
}

fn maglev(said: &Maglev, found: &mut Findings) {
    let size = said.table_size;
    if size == 0 {
        found.fail("tableSize must be set for maglev");
    }
    if size >= 5_000_011 {
        found.fail("tableSize must be less than 5000011 for maglev");
    }
    if !is_prime(size) {
        found.fail("tableSize must be a prime number for maglev");
    }
}

/// As Envoy counts: 1 is a prime number, 0 is none.
fn is_prime(number: u64) -> bool {
    if number != 0 && number < 4 {
        return true;
    }
    // Beyond what is allowed anyway, the search would only be long.
    !number.is_multiple_of(2)
        && (3..)
            .step_by(2)
            .take_while(|f| f * f <= number.min(5_000_011))
            .all(|f| !number.is_multiple_of(f))
}

/// What is wrong with the mesh's own setting.
pub(crate) fn locality_error(said: &LocalityLb) -> Option<String> {
    locality(said, true).error()
}

/// `ValidateLocalityLbSetting` in `pkg/config/validation/agent/validation.go`.
fn locality(said: &LocalityLb, sees_failures: bool) -> Findings {
    let fail = |text: String| Findings::of_error(text);
    if !said.distribute.is_empty() && !said.failover.is_empty() {
        return fail("can not simultaneously specify 'distribute' and 'failover'".into());
    }
    let topology = |l: &&String| {
        [
            "topology.kubernetes.io/region",
            "topology.kubernetes.io/zone",
            "topology.istio.io/subzone",
        ]
        .contains(&l.as_str())
    };
    if !said.failover.is_empty()
        && let Some(label) = said.failover_priority.iter().find(topology)
    {
        return fail(format!(
            "can not simultaneously set 'failover' and topology label '{label}' in 'failover_priority'"
        ));
    }
    let mut found = Findings::default();
    for entry in &said.distribute {
        if entry.to.values().any(|w| !(1..=100).contains(w)) {
            found.fail("locality weight must be in range [1, 100]");
            return found;
        }
        let total: u64 = entry.to.values().sum();
        if total != 100 {
            found.fail(format!("total locality weight {total} != 100"));
            return found;
        }
        found.check(localities(entry.to.keys()));
    }
    found.check(localities(said.distribute.iter().map(|d| &d.from)));
    let turns = !said.failover.is_empty() || !said.failover_priority.is_empty();
    if turns && !sees_failures {
        found.warn("outlier detection policy must be provided for failover");
    }
    for failover in &said.failover {
        let has = |c: char| failover.from.contains(c) || failover.to.contains(c);
        if failover.from == failover.to {
            found.fail("locality lb failover settings must specify different regions");
        }
        if has('/') {
            found.fail("locality lb failover only specify region");
        }
        if has('*') {
            found.fail("locality lb failover region should not contain '*' wildcard");
        }
    }
    found
}

/// Whether places are said well and none is meant twice (`validateLocalities` there). Istio takes the places of `to`
/// in no order; here it is that of their names.
fn localities<'a>(all: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen: Vec<[&str; 3]> = Vec::new();
    for said in all {
        let stars = said.matches('*').count();
        if stars > 1 || (stars == 1 && !said.ends_with('*')) {
            return Err(format!(
                "locality {said} wildcard '*' number can not exceed 1 and must be in the end"
            ));
        }
        let overlap = || format!("locality {said} overlap with previous specified ones");
        if seen.iter().any(|[region, ..]| *region == "*") {
            return Err(overlap());
        }
        let parts: Vec<&str> = said.splitn(3, '/').collect();
        if parts.iter().any(|p| p.is_empty()) {
            return Err(format!(
                "locality {said} must not contain empty region/zone/subzone info"
            ));
        }
        let part = |level: usize| parts.get(level).copied().unwrap_or("*");
        let new = [part(0), part(1), part(2)];
        let meant = |old: &[&str; 3]| {
            let covers = |level: usize| old[level] == "*" || old[level] == new[level];
            old[0] == new[0] && (1..parts.len()).all(covers)
        };
        if seen.iter().any(meant) {
            return Err(overlap());
        }
        seen.push(new);
    }
    Ok(())
}

fn warmup(said: &Warmup, found: &mut Findings) {
    match &said.duration {
        None => found.fail("duration is required"),
        Some(time) => found.check(names::positive_duration(time)),
    }
    if said.minimum_percent.is_some_and(|p| p > 100.0) {
        found.fail("minimumPercent value should be less than or equal to 100");
    }
    if said.aggression.is_some_and(|a| a <= 0.0) {
        found.fail("aggression should be greater than 0");
    }
}

#[cfg(test)]
mod tests {
    use super::{is_prime, localities};

    #[test]
    fn prime_numbers() {
        for prime in [1, 2, 3, 5, 65_537, 4_999_999] {
            assert!(is_prime(prime), "{prime}");
        }
        for other in [0, 4, 9, 65_536, 65_539 * 3] {
            assert!(!is_prime(other), "{other}");
        }
    }

    #[test]
    fn places_that_overlap() {
        let judged = |all: &[&str]| {
            let all: Vec<String> = all.iter().map(|l| (*l).to_owned()).collect();
            localities(all.iter()).err()
        };
        for good in [
            &["eu", "us"][..],
            &["eu/a", "eu/b", "eu/c/x", "eu/c/y"],
            &["eu/a", "eu/*"],
            &["eu", "*"],
        ] {
            assert_eq!(judged(good), None, "{good:?}");
        }
        for [one, other] in [
            ["*", "eu"],
            ["eu/a", "eu"],
            ["eu", "eu/a"],
            ["eu/*", "eu/a/x"],
            ["eu/a", "eu/a/x"],
            ["eu/a/x", "eu/a/x"],
        ] {
            let want = format!("locality {other} overlap with previous specified ones");
            assert_eq!(judged(&[one, other]), Some(want), "{one} {other}");
        }
        assert!(judged(&["eu/*/x"]).is_some_and(|e| e.contains("must be in the end")));
        assert!(judged(&["eu//x"]).is_some_and(|e| e.contains("must not contain empty")));
    }
}
