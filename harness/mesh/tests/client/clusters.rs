//! How connections leave: discovery, balancing, limits, TLS.

use meshproof_mesh::ProxyConfig;
use serde_json::{Value, json};

use crate::build::{
    address, at, client, cluster, conflicts, endpoints, hosts, istio, listener, of, pod, router,
    service, tcp_proxy,
};

const HOST: &str = "mysql.default.svc.cluster.local";

fn mysql() -> Vec<Value> {
    vec![
        pod("client", "default", "10.0.0.2"),
        pod("mysql", "default", "10.0.0.1"),
        service("mysql", "default", "10.96.0.1", &json!([{"port": 3306}])),
    ]
}

fn rule(spec: &mut Value) -> Value {
    spec["host"] = HOST.into();
    istio("DestinationRule", "r", "default", spec.take())
}

fn ruled(mut spec: Value) -> ProxyConfig {
    let mut objects = mysql();
    objects.push(rule(&mut spec));
    client(objects)
}

fn whole(config: &ProxyConfig) -> &Value {
    cluster(config, &format!("outbound|3306||{HOST}"))
}

fn subset(config: &ProxyConfig) -> &Value {
    cluster(config, &format!("outbound|3306|one|{HOST}"))
}

fn proxy(config: &ProxyConfig) -> &Value {
    tcp_proxy(listener(config, "10.96.0.1_3306"), 0)
}

/// `ApplyRingHashLoadBalancer` in `pilot/pkg/networking/core/cluster_traffic_policy.go`, `maybeSetHashPolicy` in
/// `networkfilter.go`. Large numbers are texts in protobuf's JSON.
#[test]
fn consistent_hash_by_source() {
    let hash =
        |spec: Value| ruled(json!({"trafficPolicy": {"loadBalancer": {"consistentHash": spec}}}));
    let config = hash(json!({"useSourceIp": true}));
    assert_eq!(whole(&config)["lb_policy"], "RING_HASH");
    assert_eq!(
        whole(&config)["ring_hash_lb_config"],
        json!({"minimum_ring_size": "1024"})
    );
    assert_eq!(proxy(&config)["hash_policy"], json!([{"source_ip": {}}]));

    let config = hash(json!({"useSourceIp": true, "ringHash": {"minimumRingSize": 2048}}));
    assert_eq!(
        whole(&config)["ring_hash_lb_config"]["minimum_ring_size"],
        "2048"
    );
    let config = hash(json!({"httpHeaderName": "x", "maglev": {"tableSize": 65537}}));
    assert_eq!(whole(&config)["lb_policy"], "MAGLEV");
    assert_eq!(
        whole(&config)["maglev_lb_config"],
        json!({"table_size": "65537"})
    );
    assert!(proxy(&config)["hash_policy"].is_null());
}

/// `maybeSetHashPolicy`: a subset with a load balancer of its own says itself what it is told apart by.
#[test]
fn a_subset_says_its_own_hash() {
    let routed = |policy: Value| {
        let mut objects = mysql();
        let mut spec = json!({"trafficPolicy": {"loadBalancer": {"consistentHash": {"useSourceIp": true}}},
            "subsets": [{"name": "one", "trafficPolicy": policy}]});
        objects.push(rule(&mut spec));
        let route = json!([{"destination": {"host": HOST, "subset": "one"}}]);
        objects.push(istio(
            "VirtualService",
            "v",
            "default",
            json!({"hosts": [HOST], "tcp": [{"route": route}]}),
        ));
        let config = client(objects);
        proxy(&config)["hash_policy"].is_array()
    };
    assert!(routed(
        json!({"connectionPool": {"tcp": {"maxConnections": 1}}})
    ));
    assert!(!routed(json!({"loadBalancer": {"simple": "RANDOM"}})));
}

/// `setWarmup` and `setSlowStartConfig`.
#[test]
fn new_endpoints_are_warmed_up() {
    let config = ruled(
        json!({"trafficPolicy": {"loadBalancer": {"warmup": {"duration": "60s", "aggression": 1.5}}}}),
    );
    assert_eq!(
        whole(&config)["least_request_lb_config"],
        json!({"slow_start_config": {"slow_start_window": "60s",
            "aggression": {"default_value": 1.5, "runtime_key": "("}, "min_weight_percent": {"value": 10}}})
    );
    let config = ruled(
        json!({"trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN", "warmupDurationSecs": "30s"}}}),
    );
    assert_eq!(
        whole(&config)["round_robin_lb_config"],
        json!({"slow_start_config": {"slow_start_window": "30s"}})
    );
}

/// `applyConnectionPool`: limits of HTTP are the cluster's, and bind TCP where Envoy counts it.
#[test]
fn limits_of_http_and_retries() {
    let config = ruled(json!({"trafficPolicy": {
        "connectionPool": {"http": {"http1MaxPendingRequests": 7, "http2MaxRequests": 8, "maxRetries": 9, "maxRequestsPerConnection": 1}},
        "retryBudget": {"percent": 25.5}}}));
    let limits = &whole(&config)["circuit_breakers"]["thresholds"][0];
    assert_eq!(limits["max_pending_requests"], 7);
    assert_eq!(limits["max_requests"], 8);
    assert_eq!(limits["max_retries"], 9);
    assert_eq!(limits["max_connections"], u32::MAX);
    assert_eq!(
        limits["retry_budget"],
        json!({"budget_percent": {"value": 25.5}, "min_retry_concurrency": 3})
    );
}

/// `applyH2Upgrade` and `setUseDownstreamProtocol`: mesh TLS offers HTTP/2 where the cluster speaks it.
#[test]
fn an_upgrade_to_http2_is_offered() {
    let text = |http: Value| {
        let config = ruled(json!({"trafficPolicy": {"connectionPool": {"http": http}}}));
        whole(&config).to_string()
    };
    let h2 = r#"["istio-peer-exchange","istio","h2"]"#;
    assert!(text(json!({"h2UpgradePolicy": "UPGRADE"})).contains(h2));
    assert!(!text(json!({"h2UpgradePolicy": "DO_NOT_UPGRADE"})).contains(h2));
    let as_client = text(json!({"useClientProtocol": true}));
    assert!(as_client.contains("use_downstream_protocol_config") && !as_client.contains(h2));
}

/// `applyUpstreamProxyProtocol`: the header comes before whatever is sent, at each transport. Settings of a port
/// have none (`shadowCopyPortTrafficPolicy` in `pilot/pkg/networking/util/util.go`).
#[test]
fn the_proxy_protocol_comes_first() {
    let config = ruled(json!({"trafficPolicy": {"proxyProtocol": {"version": "V2"}}}));
    let matches = whole(&config)["transport_socket_matches"]
        .as_array()
        .unwrap();
    for found in matches {
        let outer = &found["transport_socket"];
        assert_eq!(
            outer["name"],
            "envoy.transport_sockets.upstream_proxy_protocol"
        );
        assert_eq!(outer["typed_config"]["config"]["version"], "V2");
    }
    let inner =
        |i: usize| &matches[i]["transport_socket"]["typed_config"]["transport_socket"]["name"];
    assert_eq!(inner(0), "envoy.transport_sockets.tls");
    assert_eq!(inner(1), "envoy.transport_sockets.raw_buffer");

    let config = ruled(json!({"trafficPolicy": {"proxyProtocol": {}, "tls": {"mode": "DISABLE"}}}));
    let outer = &whole(&config)["transport_socket"]["typed_config"];
    assert_eq!(outer["config"], json!({}));
    assert_eq!(
        outer["transport_socket"]["name"],
        "envoy.transport_sockets.raw_buffer"
    );

    let config = ruled(json!({"trafficPolicy": {"proxyProtocol": {},
        "portLevelSettings": [{"port": {"number": 3306}, "tls": {"mode": "DISABLE"}}]}}));
    assert!(whole(&config)["transport_socket"].is_null());
}

/// `pilot/pkg/networking/core/tunnelingconfig/apply.go`: a subset's tunnel is its own or none.
#[test]
fn tunnels() {
    let tunnel = json!({"targetHost": "db.example.com", "targetPort": 443, "protocol": "POST"});
    let config = ruled(json!({"trafficPolicy": {"tunnel": tunnel}}));
    assert_eq!(
        proxy(&config)["tunneling_config"],
        json!({"hostname": "db.example.com:443", "use_post": true})
    );
}

/// `buildSubsetCluster`: a subset is found as the whole port is after its policy, also where the subset has a
/// balancer of its own; a DNS cluster that passes connections on keeps its DNS settings and loses its hosts.
#[test]
fn connections_that_are_passed_on() {
    let passes = json!({"loadBalancer": {"simple": "PASSTHROUGH"}});
    let config = ruled(json!({"trafficPolicy": passes,
        "subsets": [{"name": "one", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}}]}));
    for found in [whole(&config), subset(&config)] {
        assert_eq!(found["type"], "ORIGINAL_DST");
        assert_eq!(found["lb_policy"], "CLUSTER_PROVIDED");
    }
    assert!(endpoints(&config, &format!("outbound|3306||{HOST}")).is_empty());

    let config = ruled(json!({"subsets": [{"name": "one", "trafficPolicy": passes}]}));
    assert_eq!(whole(&config)["type"], "EDS");
    assert_eq!(subset(&config)["type"], "ORIGINAL_DST");

    let mut objects = mysql();
    let external = json!({"hosts": ["db.example.com"], "resolution": "DNS",
        "ports": [{"number": 3306, "name": "tcp", "protocol": "TCP"}]});
    objects.push(istio("ServiceEntry", "e", "default", external));
    let rule = json!({"host": "db.example.com", "trafficPolicy": passes});
    objects.push(istio("DestinationRule", "r", "default", rule));
    let config = client(objects);
    let found = cluster(&config, "outbound|3306||db.example.com");
    assert_eq!(found["type"], "ORIGINAL_DST");
    assert_eq!(found["respect_dns_ttl"], true);
    assert!(found["load_assignment"].is_null());
}

/// `PassthroughTargetPorts` in `pilot/pkg/model/service.go`: without resolution a target port overrides the port
/// that the connection went to; a gateway, which has no such port, is told endpoints.
#[test]
fn a_target_port_without_resolution() {
    let entry = |target: Value| {
        let spec = json!({"hosts": ["db.example.com"], "resolution": "NONE", "addresses": ["192.0.2.0/24"],
            "ports": [{"number": 3306, "name": "tcp", "protocol": "TCP", "targetPort": target}]});
        vec![
            pod("client", "default", "10.0.0.2"),
            router("gateway", "default", "10.0.0.3"),
            istio("ServiceEntry", "e", "default", spec),
        ]
    };
    let name = "outbound|3306||db.example.com";
    let config = client(entry(3306.into()));
    assert_eq!(
        cluster(&config, name)["original_dst_lb_config"],
        json!({"upstream_port_override": 3306})
    );
    let config = of("gateway", "default", entry(3306.into()));
    assert_eq!(cluster(&config, name)["type"], "EDS");
    assert!(cluster(&config, name)["original_dst_lb_config"].is_null());
    let config = client(entry(Value::Null));
    assert!(cluster(&config, name)["original_dst_lb_config"].is_null());
}

/// `constructUpstreamTLS` in `pilot/pkg/networking/core/cluster_tls.go`: without a credential the system's
/// authorities are asked; without verification none are, and no names.
#[test]
fn who_vouches_for_the_server() {
    let context = |tls: Value| {
        let config = ruled(json!({"trafficPolicy": {"tls": tls}}));
        let found = &whole(&config)["transport_socket"]["typed_config"]["common_tls_context"];
        (found.clone(), config.secrets)
    };
    let (found, secrets) = context(json!({"mode": "SIMPLE", "subjectAltNames": ["a"]}));
    let asked = &found["combined_validation_context"]["validation_context_sds_secret_config"];
    assert_eq!(asked["name"], "file-root:system");
    assert!(secrets["file-root:system"].is_some());
    let (found, _) = context(json!({"mode": "SIMPLE", "insecureSkipVerify": true}));
    assert_eq!(found.as_object().unwrap().len(), 1, "{found}");
    assert!(!found["tls_params"].is_null());
}

/// `BestEffortInferServiceMTLSMode` in `pilot/pkg/model/push_context.go`: where connections are passed on, one
/// endpoint without mesh TLS switches it off for all; what is said for a port does not count there.
#[test]
fn passing_on_needs_mesh_tls_everywhere() {
    let passes = json!({"loadBalancer": {"simple": "PASSTHROUGH"}});
    let mixed = |policy: &Value| {
        let mut objects = mysql();
        let mut plain = crate::build::bare("mysql-2", "default", "10.0.0.4");
        plain["metadata"]["labels"]["app"] = "mysql".into();
        objects.push(plain);
        objects.push(rule(&mut json!({"trafficPolicy": policy})));
        whole(&client(objects))["transport_socket"].is_object()
    };
    assert!(!mixed(&passes));
    let by_port = json!({"portLevelSettings": [{"port": {"number": 3306}, "loadBalancer": {"simple": "PASSTHROUGH"}}]});
    assert!(mixed(&by_port));
}

/// `MergeSubsetTrafficPolicy`: a subset's own words over the destination's, block by block; a port's words in the
/// subset replace all.
#[test]
fn subsets_over_the_whole() {
    let config = ruled(json!({
        "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}, "connectionPool": {"tcp": {"connectTimeout": "1s"}}},
        "subsets": [{"name": "one", "trafficPolicy": {"connectionPool": {"tcp": {"connectTimeout": "2s"}}}}]}));
    assert_eq!(subset(&config)["connect_timeout"], "2s");
    assert_eq!(subset(&config)["lb_policy"], "RANDOM");
    let config = ruled(json!({
        "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}, "connectionPool": {"tcp": {"connectTimeout": "1s"}}},
        "subsets": [{"name": "one", "trafficPolicy": {"portLevelSettings": [
            {"port": {"number": 3306}, "outlierDetection": {"interval": "1s"}}]}}]}));
    assert_eq!(subset(&config)["connect_timeout"], "10s");
    assert_eq!(subset(&config)["lb_policy"], "LEAST_REQUEST");
    assert_eq!(subset(&config)["outlier_detection"]["interval"], "1s");
}

/// `mergeDestinationRule` in `pilot/pkg/model/destination_rule.go`: rules for one host are merged; the earlier one's
/// policy and subsets stand, and what is lost is told.
#[test]
fn rules_for_one_host_are_merged() {
    let rule = |second: u32, name: &str, timeout: &str, subset: &str| {
        let policy = json!({"connectionPool": {"tcp": {"connectTimeout": timeout}}});
        let spec = json!({"host": HOST, "trafficPolicy": policy, "subsets": [{"name": "both"}, {"name": subset}]});
        at(second, istio("DestinationRule", name, "default", spec))
    };
    let mut objects = mysql();
    objects.push(rule(2, "young", "2s", "two"));
    objects.push(rule(1, "old", "1s", "one"));
    let config = client(objects);
    for subset in ["", "both", "one", "two"] {
        let name = format!("outbound|3306|{subset}|{HOST}");
        assert_eq!(cluster(&config, &name)["connect_timeout"], "1s", "{subset}");
    }
    let told = conflicts(&config);
    assert_eq!(told.len(), 2, "{told:?}");
    for (line, what) in told
        .iter()
        .zip(["subset both of host", "trafficPolicy for host"])
    {
        assert!(line.starts_with(what), "{line}");
        assert!(
            line.contains("DestinationRule default/young gives way to DestinationRule default/old"),
            "{line}"
        );
    }
}

/// A subset of a looked-up host without endpoints of its labels has no cluster.
#[test]
fn a_subset_by_labels() {
    let spec = json!({"hosts": ["db.example.com"], "resolution": "DNS", "endpoints": [
            {"address": "one.example.com", "labels": {"zone": "one"}, "weight": 3},
            {"address": "two.example.com", "labels": {"zone": "two"}, "ports": {"tcp": 3307}}],
        "ports": [{"number": 3306, "name": "tcp", "protocol": "TCP"}]});
    let rule = json!({"host": "db.example.com", "subsets": [
        {"name": "one", "labels": {"zone": "one"}}, {"name": "none", "labels": {"zone": "none"}}]});
    let config = client(vec![
        pod("client", "default", "10.0.0.2"),
        istio("ServiceEntry", "e", "default", spec),
        istio("DestinationRule", "r", "default", rule),
    ]);
    let written = |subset: &str| {
        let name = format!("outbound|3306|{subset}|db.example.com");
        let found = cluster(&config, &name);
        hosts(&found["load_assignment"])
            .map(address)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        written(""),
        ["one.example.com:3306", "two.example.com:3307"]
    );
    assert_eq!(written("one"), ["one.example.com:3306"]);
    assert!(cluster(&config, "outbound|3306|none|db.example.com").is_null());
}

/// `buildInboundCluster`: a `Sidecar` says the limits of its own port over the rule.
#[test]
fn a_sidecar_says_the_limits_of_inbound_connections() {
    let mut objects = mysql();
    objects.push(rule(
        &mut json!({"trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 5}}}}),
    ));
    let limit = |objects: Vec<Value>| {
        let config = of("mysql", "default", objects);
        let found = cluster(&config, "inbound|3306||");
        found["circuit_breakers"]["thresholds"][0]["max_connections"].clone()
    };
    assert_eq!(limit(objects.clone()), 5);
    let pool = json!({"inboundConnectionPool": {"tcp": {"maxConnections": 6}}});
    objects.push(istio("Sidecar", "s", "default", pool));
    assert_eq!(limit(objects), 6);
}

/// `pilot/pkg/serviceregistry/serviceentry/conversion.go` and `kube/controller`: workloads outside stand behind
/// entries and Services that select them; those known by a name behind looked-up entries alone.
#[test]
fn workload_entries_are_selected() {
    let workload = |name: &str, more: Value| {
        let mut spec = json!({"labels": {"app": "vm"}, "serviceAccount": "vm"});
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        istio("WorkloadEntry", name, "default", spec)
    };
    let entry = |host: &str, resolution: &str| {
        let spec = json!({"hosts": [host], "resolution": resolution, "location": "MESH_INTERNAL",
            "workloadSelector": {"labels": {"app": "vm"}},
            "ports": [{"number": 3306, "name": "tcp", "protocol": "TCP", "targetPort": 3307}]});
        istio("ServiceEntry", host, "default", spec)
    };
    let mut outside = service(
        "vm",
        "default",
        "10.96.0.9",
        &json!([{"port": 3306, "name": "tcp", "targetPort": 3308}]),
    );
    outside["spec"]["selector"] = json!({"app": "vm"});
    let config = client(vec![
        pod("client", "default", "10.0.0.2"),
        workload("one", json!({"address": "10.9.9.1"})),
        workload(
            "two",
            json!({"address": "10.9.9.2", "ports": {"tcp": 9306}, "weight": 2}),
        ),
        workload("named", json!({"address": "vm.example.com"})),
        entry("static.example.com", "STATIC"),
        entry("dns.example.com", "DNS"),
        outside,
    ]);
    let told = |name: &str| {
        let pairs = endpoints(&config, name);
        pairs.into_iter().map(|(a, _)| a).collect::<Vec<_>>()
    };
    assert_eq!(
        told("outbound|3306||static.example.com"),
        ["10.9.9.1:3307", "10.9.9.2:9306"]
    );
    assert_eq!(
        told("outbound|3306||vm.default.svc.cluster.local"),
        ["10.9.9.1:3308", "10.9.9.2:9306"]
    );
    let dns = cluster(&config, "outbound|3306||dns.example.com");
    assert_eq!(hosts(&dns["load_assignment"]).count(), 3);
    let inside = cluster(&config, "outbound|3306||static.example.com").to_string();
    assert!(
        inside.contains("spiffe://cluster.local/ns/default/sa/vm"),
        "{inside}"
    );
}
