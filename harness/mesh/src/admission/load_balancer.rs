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
    for entry in &said.distribute {
        if entry.to.values().any(|w| !(1..=100).contains(w)) {
            return fail("locality weight must be in range [1, 100]".into());
        }
        let total: u64 = entry.to.values().sum();
        if total != 100 {
            return fail(format!("total locality weight {total} != 100"));
        }
    }
    let mut found = Findings::default();
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
    use super::is_prime;

    #[test]
    fn prime_numbers() {
        for prime in [1, 2, 3, 5, 65_537, 4_999_999] {
            assert!(is_prime(prime), "{prime}");
        }
        for other in [0, 4, 9, 65_536, 65_539 * 3] {
            assert!(!is_prime(other), "{other}");
        }
    }
}
