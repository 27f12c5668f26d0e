//! Limits of a cluster's connections: circuit breakers, keepalive, outlier detection
//! (`pilot/pkg/networking/core/cluster_traffic_policy.go`).

use serde_json::{Map, Value, json};

use crate::{
    api::destination_rule::{ConnectionPool, OutlierDetection, RetryBudget},
    compile::{
        envoy::{self, number},
        scope::View,
    },
    duration,
};

/// Sets circuit breakers, and the timeouts and keepalive of connections.
pub(super) fn set_pool(
    pool: Option<&ConnectionPool>,
    budget: Option<&RetryBudget>,
    scope: &View<'_>,
    cluster: &mut Map<String, Value>,
) {
    let mut limits = envoy::no_limits();
    if let Some(budget) = budget {
        limits.insert("retry_budget".into(), retry_budget(budget));
    }
    let mut limit = |field: &str, said: i64| {
        if said > 0 {
            limits.insert(field.into(), said.into());
        }
    };
    if let Some(http) = pool.and_then(|p| p.http.as_ref()) {
        limit("max_requests", http.http2_max_requests);
        limit("max_pending_requests", http.http1_max_pending_requests);
        limit("max_retries", http.max_retries);
    }
    if let Some(tcp) = pool.and_then(|p| p.tcp.as_ref()) {
        limit("max_connections", tcp.max_connections);
        if let Some(timeout) = tcp.connect_timeout.as_deref().and_then(duration::envoy) {
            cluster.insert("connect_timeout".into(), timeout.into());
        }
    }
    let own = pool.and_then(|p| p.tcp.as_ref()?.tcp_keepalive.as_ref());
    envoy::set_keepalive(scope, own, cluster);
    cluster.insert("circuit_breakers".into(), json!({"thresholds": [limits]}));
}

/// Istio's defaults where the budget says nothing: a fifth, and three at once.
fn retry_budget(said: &RetryBudget) -> Value {
    let mut budget = Map::new();
    budget.insert(
        "budget_percent".into(),
        json!({"value": number(said.percent.unwrap_or(20.0))}),
    );
    let concurrency = if said.min_retry_concurrency > 0 {
        said.min_retry_concurrency
    } else {
        3
    };
    budget.insert("min_retry_concurrency".into(), concurrency.into());
    budget.into()
}

/// Sets when an endpoint is left aside for a while.
pub(super) fn set_outlier_detection(outlier: &OutlierDetection, cluster: &mut Map<String, Value>) {
    let mut out = Map::new();
    let mut set = |field: &str, value: Value| {
        out.insert(field.into(), value);
    };
    set("enforcing_success_rate", 0.into());
    let enforced = |count: i64| Value::from(if count > 0 { 100 } else { 0 });
    if let Some(count) = outlier.consecutive_5xx_errors {
        set("consecutive_5xx", count.into());
        set("enforcing_consecutive_5xx", enforced(count));
    }
    if let Some(count) = outlier.consecutive_gateway_errors {
        set("consecutive_gateway_failure", count.into());
        set("enforcing_consecutive_gateway_failure", enforced(count));
    }
    for (field, value) in [
        ("interval", &outlier.interval),
        ("base_ejection_time", &outlier.base_ejection_time),
    ] {
        if let Some(value) = value.as_deref().and_then(duration::envoy) {
            set(field, value.into());
        }
    }
    if outlier.max_ejection_percent > 0 {
        set("max_ejection_percent", outlier.max_ejection_percent.into());
    }
    if outlier.split_external_local_origin_errors {
        set("split_external_local_origin_errors", true.into());
        if let Some(count) = outlier.consecutive_local_origin_failures.filter(|c| *c > 0) {
            set("consecutive_local_origin_failure", count.into());
            set("enforcing_consecutive_local_origin_failure", 100.into());
        }
        set("enforcing_local_origin_success_rate", 0.into());
    }
    cluster.insert("outlier_detection".into(), out.into());
    let panic = if outlier.min_health_percent > 0 {
        json!({"value": outlier.min_health_percent})
    } else {
        json!({})
    };
    cluster.insert(
        "common_lb_config".into(),
        json!({"healthy_panic_threshold": panic}),
    );
}
