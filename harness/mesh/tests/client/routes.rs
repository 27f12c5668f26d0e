//! Which route a connection takes.

use serde_json::{Value, json};

use crate::build::{at, client, conflicts, destinations, istio, listener, pod, service, tcp_proxy};

const HOST: &str = "mysql.default.svc.cluster.local";

fn with(protocol: &str, routes: Vec<Value>) -> meshproof_mesh::ProxyConfig {
    let ports = json!([{"port": 3306, "name": protocol}]);
    let mut objects = vec![
        pod("client", "default", "10.0.0.2"),
        service("mysql", "default", "10.96.0.1", &ports),
    ];
    objects.extend(routes);
    client(objects)
}

fn to(host: &str) -> Value {
    json!([{"destination": {"host": host, "port": {"number": 1}}}])
}

fn route(second: u32, name: &str, mut spec: Value) -> Value {
    spec["hosts"] = json!([HOST]);
    at(second, istio("VirtualService", name, "default", spec))
}

fn leads(config: &meshproof_mesh::ProxyConfig) -> Vec<String> {
    let found = destinations(listener(config, "10.96.0.1_3306"));
    let short = |name: &String| name.trim_start_matches("outbound|1||").to_owned();
    found.iter().map(short).collect()
}

/// `matchTCP` in `pilot/pkg/networking/core/tls.go`.
#[test]
fn conditions_that_are_known_beforehand() {
    for (condition, holds) in [
        (json!({"port": 3306}), true),
        (json!({"port": 3307}), false),
        (json!({"gateways": ["mesh"]}), true),
        (json!({"gateways": ["other"]}), false),
        (json!({"sourceLabels": {"app": "client"}}), true),
        (json!({"sourceLabels": {"app": "other"}}), false),
        (json!({"sourceNamespace": "default"}), true),
        (json!({"sourceNamespace": "other"}), false),
        (json!({"sourceNamespace": "default", "port": 3307}), false),
    ] {
        let tcp = json!([{"match": [condition], "route": to("a.example.com")}]);
        let spec = json!({"gateways": ["mesh", "other"], "tcp": tcp});
        let found = leads(&with("tcp", vec![route(1, "v", spec)]));
        let want = if holds {
            "a.example.com"
        } else {
            "outbound|3306||mysql.default.svc.cluster.local"
        };
        assert_eq!(found, [want], "{condition}");
    }
}

/// `buildSidecarOutboundTCPFilterChainOpts`: the first route that takes everything ends the list; what comes later
/// is never reached, and is told.
#[test]
fn the_oldest_route_wins() {
    let spec = |host: &str| json!({"tcp": [{"route": to(host)}]});
    let config = with(
        "tcp",
        vec![
            route(2, "young", spec("young.example.com")),
            route(1, "old", spec("old.example.com")),
        ],
    );
    assert_eq!(leads(&config), ["old.example.com"]);
    let told = conflicts(&config);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with(
        "host mysql.default.svc.cluster.local, port 3306: VirtualService default/young gives way to VirtualService default/old"
    ));
}

/// A private route comes before an older public one (`SelectVirtualServices`).
#[test]
fn private_routes_come_first() {
    let public = json!({"tcp": [{"route": to("public.example.com")}]});
    let private = json!({"exportTo": ["."], "tcp": [{"route": to("private.example.com")}]});
    let config = with("tcp", vec![route(1, "a", public), route(2, "b", private)]);
    assert_eq!(leads(&config), ["private.example.com"]);
}

/// `buildSidecarOutboundTLSFilterChainOpts`: names choose; equal names and subnets are reached once.
#[test]
fn names_choose_the_route() {
    let tls = json!([
        {"match": [{"sniHosts": ["a.example.com"]}], "route": to("first.example.com")},
        {"match": [{"sniHosts": ["a.example.com"]}], "route": to("never.example.com")},
        {"match": [{"sniHosts": ["*.example.com"], "port": 3307}], "route": to("other-port.example.com")},
        {"match": [{"sniHosts": ["b.example.com", "c.example.com"]}], "route": to("second.example.com")},
    ]);
    let mut objects = vec![route(1, "v", json!({"tls": tls}))];
    objects[0]["spec"]["hosts"] = json!(["mysql", "*.example.com"]);
    let config = with("tls", objects);
    assert_eq!(
        leads(&config),
        [
            "first.example.com",
            "second.example.com",
            "PassthroughCluster"
        ]
    );
    let second = &listener(&config, "10.96.0.1_3306")["filter_chains"][1]["filter_chain_match"];
    assert_eq!(
        second["server_names"],
        json!(["b.example.com", "c.example.com"])
    );
}

/// `tcp:` routes say nothing on a TLS port, and `tls:` routes nothing on another.
#[test]
fn routes_of_the_other_kind_are_not_asked() {
    let tcp = json!({"tcp": [{"route": to("a.example.com")}]});
    let own = "outbound|3306||mysql.default.svc.cluster.local";
    assert_eq!(leads(&with("tls", vec![route(1, "v", tcp)])), [own]);
    let mut tls = route(
        1,
        "v",
        json!({"tls": [{"match": [{"sniHosts": ["a.example.com"]}], "route": to("a.example.com")}]}),
    );
    tls["spec"]["hosts"] = json!(["mysql", "a.example.com"]);
    assert_eq!(leads(&with("tcp", vec![tls])), [own]);
}

/// `buildOutboundNetworkFiltersWithWeightedClusters`: shares of nothing are left out; the first destination's rule
/// says the timeouts.
#[test]
fn weighted_routes() {
    let routes = json!([
        {"destination": {"host": "mysql"}, "weight": 60},
        {"destination": {"host": "b.example.com", "port": {"number": 1}}, "weight": 40},
        {"destination": {"host": "c.example.com", "port": {"number": 1}}, "weight": 0},
    ]);
    let rule =
        json!({"host": HOST, "trafficPolicy": {"connectionPool": {"tcp": {"idleTimeout": "5s"}}}});
    let config = with(
        "tcp",
        vec![
            route(1, "v", json!({"tcp": [{"route": routes}]})),
            istio("DestinationRule", "r", "default", rule),
        ],
    );
    let proxy = tcp_proxy(listener(&config, "10.96.0.1_3306"), 0);
    assert_eq!(proxy["stat_prefix"], "v.default");
    assert_eq!(proxy["idle_timeout"], "5s");
    let clusters = proxy["weighted_clusters"]["clusters"].as_array().unwrap();
    let shares: Vec<String> = clusters
        .iter()
        .map(|c| format!("{} {}", c["name"].as_str().unwrap(), c["weight"]))
        .collect();
    assert_eq!(
        shares,
        [
            "outbound|3306||mysql.default.svc.cluster.local 60".to_owned(),
            "outbound|1||b.example.com 40".to_owned()
        ]
    );
}

/// Subnets of a route: where they are those of the service, no chain leads to the service itself any more.
#[test]
fn subnets_of_a_route() {
    let entry = json!({"hosts": ["db.example.com"], "addresses": ["192.0.2.0/24"], "resolution": "NONE",
        "ports": [{"number": 9000, "name": "tcp", "protocol": "TCP"}]});
    let spec = |subnets: Value| json!({"hosts": ["db.example.com"], "tcp": [{"match": [{"destinationSubnets": subnets}], "route": to("a.example.com")}]});
    let found = |subnets: Value| {
        let config = client(vec![
            pod("client", "default", "10.0.0.2"),
            istio("ServiceEntry", "e", "default", entry.clone()),
            istio("VirtualService", "v", "default", spec(subnets)),
        ]);
        destinations(listener(&config, "0.0.0.0_9000"))
    };
    assert_eq!(
        found(json!(["192.0.2.0/24"])),
        ["outbound|1||a.example.com", "PassthroughCluster"]
    );
    assert_eq!(
        found(json!(["192.0.2.0/25"])),
        [
            "outbound|1||a.example.com",
            "outbound|9000||db.example.com",
            "PassthroughCluster"
        ]
    );
}
