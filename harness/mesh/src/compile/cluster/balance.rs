//! Which endpoint a connection goes to (`applyLoadBalancer` in
//! `pilot/pkg/networking/core/cluster_traffic_policy.go`).

use serde_json::{Map, Value, json};

use super::Discovery;
use crate::{
    api::destination_rule::{ConsistentHash, LoadBalancer, LocalityLb, SimpleLb},
    compile::envoy::number,
    duration,
};

/// Sets the policy. Where connections are passed on to where they went, the cluster itself is one.
pub(super) fn set(
    balancer: Option<&LoadBalancer>,
    discovery: Discovery,
    cluster: &mut Map<String, Value>,
) {
    if discovery == Discovery::OriginalDst {
        cluster.insert("lb_policy".into(), "CLUSTER_PROVIDED".into());
        return;
    }
    let simple = balancer.map(|l| l.simple).unwrap_or_default();
    let slow = balancer.and_then(slow_start);
    let (policy, field) = match simple {
        // Envoy's own default.
        SimpleLb::RoundRobin => (None, Some("round_robin_lb_config")),
        SimpleLb::Random => (Some("RANDOM"), None),
        SimpleLb::Passthrough => (Some("CLUSTER_PROVIDED"), None),
        SimpleLb::Unspecified | SimpleLb::LeastConn | SimpleLb::LeastRequest => {
            (Some("LEAST_REQUEST"), Some("least_request_lb_config"))
        }
    };
    if let Some(policy) = policy {
        cluster.insert("lb_policy".into(), policy.into());
    }
    let hash = balancer.and_then(|l| l.consistent_hash.as_ref());
    if let (Some(field), Some(slow), None) = (field, slow, hash) {
        cluster.insert(field.into(), json!({"slow_start_config": slow}));
    }
    if let Some(hash) = hash {
        set_hash(hash, cluster);
    }
}

/// Sets whether the weight of a place counts, and not that of its endpoints alone.
pub(super) fn set_places(said: &LocalityLb, sees_failures: bool, cluster: &mut Map<String, Value>) {
    let turns = !said.failover.is_empty() || !said.failover_priority.is_empty();
    let weighs =
        said.enabled != Some(false) && (!said.distribute.is_empty() || (sees_failures && turns));
    if let Some(config) = cluster.get_mut("common_lb_config").filter(|_| weighs) {
        config["locality_weighted_lb_config"] = json!({});
    }
}

/// Large numbers are texts in protobuf's JSON.
fn set_hash(hash: &ConsistentHash, cluster: &mut Map<String, Value>) {
    let (policy, field, size) = if let Some(maglev) = &hash.maglev {
        let size = json!({"table_size": maglev.table_size.to_string()});
        let size = Some(size).filter(|_| maglev.table_size != 0);
        ("MAGLEV", "maglev_lb_config", size)
    } else {
        let said = hash.ring_hash.as_ref().map(|r| r.minimum_ring_size);
        let size = match (said, hash.minimum_ring_size) {
            (Some(0), _) => None,
            (None, 0) => Some(1024),
            (said, size) => Some(said.unwrap_or(size)),
        };
        let size = size.map(|s| json!({"minimum_ring_size": s.to_string()}));
        ("RING_HASH", "ring_hash_lb_config", size)
    };
    cluster.insert("lb_policy".into(), policy.into());
    if let Some(size) = size {
        cluster.insert(field.into(), size);
    }
}

fn slow_start(balancer: &LoadBalancer) -> Option<Value> {
    if let Some(warmup) = &balancer.warmup {
        let window = warmup.duration.as_deref().and_then(duration::envoy)?;
        return Some(json!({
            "slow_start_window": window,
            // istiod writes this as the runtime key; nothing is stored under it.
            "aggression": {"default_value": number(warmup.aggression.unwrap_or(1.0)), "runtime_key": "("},
            "min_weight_percent": {"value": number(warmup.minimum_percent.unwrap_or(10.0))},
        }));
    }
    let window = balancer.warmup_duration_secs.as_deref();
    let window = window.and_then(duration::envoy)?;
    Some(json!({"slow_start_window": window}))
}
