//! A real Envoy on the stream: boot, update, refusal, warming, rebuilt clusters, reconnecting.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod support;

use std::{sync::Arc, time::Duration};

use meshproof_pocket_xds::{
    AckError, Ads, Snapshot,
    admin::{Admin, Content},
};
use serde_json::{Value, json};
use support::{PROXY, Rig, program, start};
use tokio::{net::UnixStream, time::Instant};

impl Rig {
    async fn admin(&self) -> Admin {
        Admin::connect(
            UnixStream::connect(self.dir.path().join("admin"))
                .await
                .unwrap(),
        )
        .await
        .unwrap()
    }

    async fn content(&self) -> Content {
        self.admin().await.content().await.unwrap()
    }

    /// What serves is what was set: the target of the listener and the cluster's timeout.
    async fn serves(&self) -> (String, String) {
        let content = self.content().await;
        let listener = content.listeners[0].active.as_ref().unwrap();
        let filter = &listener["filter_chains"][0]["filters"][0]["typed_config"];
        let cluster = content
            .clusters
            .iter()
            .find(|held| held.name == "mysql")
            .unwrap()
            .active
            .as_ref()
            .unwrap();
        (
            filter["cluster"].as_str().unwrap().to_owned(),
            cluster["connect_timeout"].as_str().unwrap().to_owned(),
        )
    }
}

fn snapshot(timeout: &str, target: &str, port: u16) -> Snapshot {
    Snapshot {
        listeners: vec![listener(target).into()],
        clusters: vec![
            cluster(timeout).into(),
            json!({"name": "BlackHole", "type": "STATIC", "connect_timeout": "1s"}).into(),
        ],
        endpoints: vec![endpoints(port).into()],
        secrets: vec![authority().into()],
    }
}

fn listener(target: &str) -> Value {
    json!({
        "name": "0.0.0.0_3306",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": target,
            "cluster": target,
        }}]}],
    })
}

fn sds(name: &str) -> Value {
    json!({"name": name, "sds_config": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}})
}

fn cluster(timeout: &str) -> Value {
    json!({
        "name": "mysql",
        "type": "EDS",
        "connect_timeout": timeout,
        "eds_cluster_config": {"eds_config": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}},
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": "mysql.example",
            "common_tls_context": {"validation_context_sds_secret_config": sds("authority")},
        }},
    })
}

fn endpoints(port: u16) -> Value {
    json!({"cluster_name": "mysql", "endpoints": [{"lb_endpoints": [{"endpoint": {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}]}]})
}

fn authority() -> Value {
    json!({"name": "authority", "validation_context": {"trusted_ca": {"inline_string": include_str!("data/authority.pem")}}})
}

#[tokio::test]
async fn a_configuration_is_active_and_updates_are_quick() {
    let Some(program) = program() else { return };
    let rig = Rig::new(program);
    println!(
        "booted and configured in {:?}",
        rig.apply(&snapshot("1s", "mysql", 1)).await.unwrap()
    );
    assert_eq!(rig.serves().await, ("mysql".to_owned(), "1s".to_owned()));

    let mut spent = Vec::new();
    for round in 0..10 {
        let target = if round % 2 == 0 { "BlackHole" } else { "mysql" };
        spent.push(rig.apply(&snapshot("1s", target, 1)).await.unwrap());
        assert_eq!(rig.serves().await.0, target);
    }
    spent.sort();
    println!(
        "listener update acknowledged in {:?} (median of 10, slowest {:?})",
        spent[5], spent[9]
    );
    assert!(spent[5] < Duration::from_millis(100));

    // A rebuilt cluster waits for its endpoints and its secret, which did not change.
    println!(
        "cluster update acknowledged in {:?}",
        rig.apply(&snapshot("2s", "mysql", 1)).await.unwrap()
    );
    assert_eq!(rig.serves().await.1, "2s");
    assert!(rig.admin().await.warming().await.unwrap().is_done());

    println!(
        "endpoint update acknowledged in {:?}",
        rig.apply(&snapshot("2s", "mysql", 2)).await.unwrap()
    );
    let clusters = rig.admin().await.get("/clusters").await.unwrap();
    assert!(String::from_utf8_lossy(&clusters).contains("mysql::127.0.0.1:2::"));
}

#[tokio::test]
async fn a_refusal_comes_with_its_text_and_leaves_the_old_in_force() {
    let Some(program) = program() else { return };
    let rig = Rig::new(program);
    rig.apply(&snapshot("1s", "mysql", 1)).await.unwrap();
    let mut wrong = snapshot("1s", "mysql", 1);
    Arc::make_mut(&mut wrong.listeners[0])["listener_filters"] = json!([{"name": "nobody.knows"}]);
    let error = rig.apply(&wrong).await.unwrap_err();
    println!("{error}");
    assert!(
        matches!(&error, AckError::Rejected(refused) if refused.message.contains("nobody.knows")),
        "{error}"
    );
    assert!(rig.ads.subscribe(PROXY).borrow().rejection.is_some());
    assert_eq!(rig.serves().await.0, "mysql");
    assert!(
        rig.content().await.listeners[0]
            .error
            .as_ref()
            .unwrap()
            .contains("nobody.knows")
    );
    rig.apply(&snapshot("1s", "BlackHole", 1)).await.unwrap();
    assert_eq!(rig.ads.subscribe(PROXY).borrow().rejection, None);
}

#[tokio::test]
async fn a_missing_secret_is_named_and_taken_up_when_it_comes() {
    let Some(program) = program() else { return };
    let rig = Rig::new(program);
    rig.apply(&snapshot("1s", "mysql", 1)).await.unwrap();
    let mut missing = snapshot("3s", "mysql", 1);
    Arc::make_mut(&mut missing.clusters[0])["transport_socket"]["typed_config"]["common_tls_context"] =
        json!({"validation_context_sds_secret_config": sds("late")});
    rig.ads.set(PROXY, &missing).unwrap();
    let mut status = rig.ads.subscribe(PROXY);
    let asked = status.wait_for(|status| status.unanswered.iter().any(|one| one.name == "late"));
    drop(
        tokio::time::timeout(Duration::from_secs(5), asked)
            .await
            .unwrap()
            .unwrap(),
    );
    assert_eq!(rig.admin().await.warming().await.unwrap().clusters, 1);
    assert_eq!(rig.serves().await.1, "1s");

    let mut late = authority();
    late["name"] = json!("late");
    missing.secrets.push(late.into());
    rig.apply(&missing).await.unwrap();
    assert_eq!(rig.serves().await.1, "3s");
    assert!(rig.ads.subscribe(PROXY).borrow().unanswered.is_empty());
}

/// A cluster that is no more goes out with its last content until no listener names it. A proxy that has not seen
/// that content rebuilds it, and waits for endpoints that are no more either.
#[tokio::test]
async fn a_cluster_that_changed_and_ended_at_once_holds_nothing_up() {
    let Some(program) = program() else { return };
    let rig = Rig::new(program);
    rig.apply(&snapshot("1s", "mysql", 1)).await.unwrap();
    let mut ended = snapshot("2s", "BlackHole", 1);
    ended.clusters.remove(0);
    ended.endpoints.clear();
    // Nobody else runs between these two.
    rig.ads.set(PROXY, &snapshot("2s", "mysql", 1)).unwrap();
    rig.apply(&ended).await.unwrap();
    let content = rig.content().await;
    assert!(content.clusters.iter().all(|held| held.name != "mysql"));
    rig.apply(&snapshot("3s", "mysql", 1)).await.unwrap();
    assert_eq!(rig.serves().await, ("mysql".to_owned(), "3s".to_owned()));
}

#[tokio::test]
async fn what_rules_seldom_say_is_read_back_as_it_was_told() {
    let Some(program) = program() else { return };
    let rig = Rig::new(program);
    let url = |name: &str| format!("type.googleapis.com/envoy.extensions.{name}");
    let slow = json!({"slow_start_config": {"slow_start_window": "60s",
        "aggression": {"default_value": 1.5, "runtime_key": "("}, "min_weight_percent": {"value": 10.5}}});
    let header = json!({"name": "envoy.transport_sockets.upstream_proxy_protocol", "typed_config": {
        "@type": url("transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"),
        "config": {"version": "V2"},
        "transport_socket": {"name": "envoy.transport_sockets.raw_buffer", "typed_config": {
            "@type": url("transport_sockets.raw_buffer.v3.RawBuffer")}}}});
    let limits = json!({"thresholds": [{"retry_budget":
        {"budget_percent": {"value": 25.5}, "min_retry_concurrency": 3}}]});
    let rules = [
        json!({"lb_policy": "LEAST_REQUEST", "least_request_lb_config": slow, "transport_socket": header}),
        json!({"round_robin_lb_config": slow, "circuit_breakers": limits}),
        json!({"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": "1024"},
            "common_lb_config": {"locality_weighted_lb_config": {}}}),
        json!({"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": "65537"}}),
    ];
    let mut told = snapshot("1s", "BlackHole", 1);
    for (number, rule) in rules.iter().enumerate() {
        let mut cluster =
            json!({"name": number.to_string(), "type": "STATIC", "connect_timeout": "1s"});
        cluster
            .as_object_mut()
            .unwrap()
            .extend(rule.as_object().unwrap().clone());
        told.clusters.push(cluster.into());
    }
    let told_listener = Arc::make_mut(&mut told.listeners[0]);
    let filter = &mut told_listener["filter_chains"][0]["filters"][0]["typed_config"];
    filter["tunneling_config"] = json!({"hostname": "db.example.com:443", "use_post": true});
    filter["hash_policy"] = json!([{"source_ip": {}}]);
    let filter = filter.clone();
    rig.apply(&told).await.unwrap();

    let content = rig.content().await;
    let active = content.listeners[0].active.as_ref().unwrap();
    assert_eq!(
        active["filter_chains"][0]["filters"][0]["typed_config"],
        filter
    );
    for (number, rule) in rules.iter().enumerate() {
        let held = content
            .clusters
            .iter()
            .find(|held| held.name == number.to_string());
        let active = held.unwrap().active.as_ref().unwrap();
        for (field, value) in rule.as_object().unwrap() {
            assert_eq!(&active[field], value, "{number}: {field}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_comes_back_is_served_again() {
    let Some(program) = program() else { return };
    let mut rig = Rig::new(program);
    rig.apply(&snapshot("1s", "mysql", 1)).await.unwrap();
    rig.envoy.kill().unwrap();
    rig.envoy.wait().unwrap();
    let mut status = rig.ads.subscribe(PROXY);
    drop(status.wait_for(|status| !status.connected).await.unwrap());
    rig.envoy = start(&rig.dir, &rig.program);
    let version = rig.ads.set(PROXY, &snapshot("1s", "BlackHole", 1)).unwrap();
    rig.answered(version).await.unwrap();
    assert_eq!(rig.serves().await.0, "BlackHole");
}

#[tokio::test]
async fn nobody_answering_is_said() {
    let ads = Ads::new();
    let version = ads.set(PROXY, &Snapshot::default()).unwrap();
    let error = ads
        .acknowledged(PROXY, version, Instant::now() + Duration::from_millis(10))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "not acknowledged in time: waiting for the proxy to connect"
    );
}

#[tokio::test]
async fn what_istio_seldom_asks_for_is_read_back_as_it_was_told() {
    let Some(program) = program() else { return };
    let rig = Rig::new(program);
    let url = |name: &str| format!("type.googleapis.com/envoy.extensions.{name}");
    let filters = json!([
        {"name": "envoy.filters.network.rbac", "typed_config": {
            "@type": url("filters.network.rbac.v3.RBAC"),
            "stat_prefix": "tcp.",
            "shadow_rules_stat_prefix": "istio_ext_authz_",
            "shadow_rules": {"action": "DENY", "policies": {"istio-ext-authz-p-x": {
                "permissions": [{"any": true}], "principals": [{"any": true}]}}}}},
        {"name": "envoy.filters.network.ext_authz", "typed_config": {
            "@type": url("filters.network.ext_authz.v3.ExtAuthz"),
            "stat_prefix": "tcp.",
            "failure_mode_allow": true,
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": "BlackHole", "authority": "a"}, "timeout": "600s"},
            "filter_enabled_metadata": {
                "filter": "envoy.filters.network.rbac",
                "path": [{"key": "istio_ext_authz_shadow_effective_policy_id"}],
                "value": {"string_match": {"prefix": "istio-ext-authz-p"}}}}},
        {"name": "envoy.filters.network.mongo_proxy", "typed_config": {
            "@type": url("filters.network.mongo_proxy.v3.MongoProxy"), "stat_prefix": "m"}},
        {"name": "envoy.filters.network.tcp_proxy", "typed_config": {
            "@type": url("filters.network.tcp_proxy.v3.TcpProxy"),
            "stat_prefix": "BlackHole",
            "cluster": "BlackHole",
            "access_log": [{"name": "envoy.access_loggers.file",
                "filter": {"extension_filter": {
                    "name": "envoy.access_loggers.extension_filters.cel",
                    "typed_config": {
                        "@type": url("access_loggers.filters.cel.v3.ExpressionFilter"),
                        "expression": "connection.mtls"}}},
                "typed_config": {
                    "@type": url("access_loggers.file.v3.FileAccessLog"),
                    "path": "/dev/null",
                    "log_format": {
                        "text_format_source": {"inline_string": "%REQ_WITHOUT_QUERY(:PATH)%\n"},
                        "formatters": [{"name": "envoy.formatter.req_without_query", "typed_config": {
                            "@type": url("formatter.req_without_query.v3.ReqWithoutQuery")}}]}}}]}},
    ]);
    let mut told = snapshot("1s", "BlackHole", 1);
    let listener = Arc::make_mut(&mut told.listeners[0]);
    listener["filter_chains"][0]["filters"] = filters.clone();
    rig.apply(&told).await.unwrap();
    let content = rig.content().await;
    let active = content.listeners[0].active.as_ref().unwrap();
    assert_eq!(active["filter_chains"][0]["filters"], filters);
}
