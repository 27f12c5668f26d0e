//! Servers of several Gateways on one workload (`pilot/pkg/model/gateway.go`,
//! `pilot/pkg/networking/core/gateway.go`).

use meshproof_mesh::ProxyConfig;
use serde_json::{Value, json};

use crate::{MESH, chains, compiled, gateway, istio, named, route, server, service, with};

fn names(config: &ProxyConfig, listener: &str) -> Vec<Value> {
    chains(config, listener)
        .iter()
        .map(|c| c["filter_chain_match"]["server_names"].clone())
        .collect()
}

#[test]
fn of_two_servers_for_a_host_the_older_gateway_keeps_it() {
    let mut younger = gateway("a", json!([server("t", "h.example.com")]));
    younger["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z".into();
    let mut older = gateway("b", json!([server("t", "h.example.com")]));
    older["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
    let routed = |name| vec![younger.clone(), older.clone(), route("v", name)];
    let config = compiled(MESH, with(routed("b")), "gw");
    assert_eq!(names(&config, "0.0.0.0_13306"), [json!(["h.example.com"])]);
    let told = config.conflicts[0].to_string();
    assert_eq!(
        told,
        "listener 0.0.0.0:13306: port t of Gateway default/a gives way to port t of Gateway default/b: \
         the server that is seen first keeps the host h.example.com"
    );
    let config = compiled(MESH, with(routed("a")), "gw");
    assert!(named(&config.listeners, "0.0.0.0_13306").is_null());
}

#[test]
fn a_server_that_loses_a_host_takes_none_of_its_others() {
    let mut loser = server("t", "h.example.com");
    loser["hosts"] = json!(["h.example.com", "free.example.com"]);
    let objects = with(vec![
        gateway("a", json!([server("t", "h.example.com")])),
        gateway("b", json!([loser])),
        gateway("c", json!([server("t", "free.example.com")])),
        route("v", "a"),
        route("w", "c"),
    ]);
    let config = compiled(MESH, objects, "gw");
    assert_eq!(
        names(&config, "0.0.0.0_13306"),
        [json!(["h.example.com"]), json!(["free.example.com"])]
    );
}

#[test]
fn a_host_said_twice_by_one_server_is_no_conflict() {
    let mut twice = server("t", "h.example.com");
    twice["hosts"] = json!(["h.example.com", "h.example.com"]);
    let config = compiled(
        MESH,
        with(vec![gateway("a", json!([twice])), route("v", "a")]),
        "gw",
    );
    assert_eq!(names(&config, "0.0.0.0_13306"), [json!(["h.example.com"])]);
}

#[test]
fn chains_stand_by_protocol_and_then_in_order() {
    let passed = json!({"port": {"number": 13306, "name": "s", "protocol": "HTTPS"}, "hosts": ["b.example.com"],
        "tls": {"mode": "PASSTHROUGH"}});
    let sni = istio(
        "VirtualService",
        "w",
        json!({"hosts": ["b.example.com"], "gateways": ["a"],
            "tls": [{"match": [{"sniHosts": ["b.example.com"]}], "route": [{"destination": {"host": "mysql"}}]}]}),
    );
    let servers = json!([
        server("t", "a.example.com"),
        passed,
        server("u", "c.example.com")
    ]);
    let objects = with(vec![gateway("a", servers), route("v", "a"), sni]);
    let config = compiled(MESH, objects, "gw");
    assert_eq!(
        names(&config, "0.0.0.0_13306"),
        [
            json!(["a.example.com"]),
            json!(["c.example.com"]),
            json!(["b.example.com"])
        ]
    );
}

#[test]
fn a_plaintext_server_before_others_keeps_its_port_and_after_them_shares_it() {
    let plain = json!({"port": {"number": 13306, "name": "p", "protocol": "TCP"}, "hosts": ["*"]});
    let both = |servers: Value| {
        compiled(
            MESH,
            with(vec![gateway("a", servers), route("v", "a")]),
            "gw",
        )
    };
    let config = both(json!([plain, server("t", "h.example.com")]));
    assert_eq!(names(&config, "0.0.0.0_13306"), [Value::Null]);
    assert!(config.conflicts[0].to_string().contains(
        "port t of Gateway default/a gives way to port p of Gateway default/a: a TCP server without TLS"
    ));
    let config = both(json!([server("t", "h.example.com"), plain]));
    assert_eq!(
        names(&config, "0.0.0.0_13306"),
        [json!(["h.example.com"]), Value::Null]
    );
    assert!(config.conflicts.is_empty());
}

#[test]
fn servers_on_addresses_of_their_own_do_not_meet() {
    let on = |name: &str, bind: &str| json!({"port": {"number": 13306, "name": name, "protocol": "TCP"}, "bind": bind, "hosts": ["*"]});
    let mut tls = server("t", "h.example.com");
    tls["bind"] = "10.0.0.9".into();
    let servers = json!([on("a", "10.0.0.7"), on("b", "10.0.0.8"), tls]);
    let config = compiled(
        MESH,
        with(vec![gateway("a", servers), route("v", "a")]),
        "gw",
    );
    for address in ["10.0.0.7", "10.0.0.8", "10.0.0.9"] {
        let listener = named(&config.listeners, &format!("{address}_13306"));
        assert_eq!(listener["address"]["socket_address"]["address"], address);
    }
    assert!(config.conflicts.is_empty());
}

#[test]
fn a_port_is_that_of_the_first_service_by_host() {
    let mut objects = with(vec![
        service(
            "gw-b",
            json!([{"name": "tls", "port": 443, "targetPort": 9443}]),
        ),
        gateway(
            "a",
            json!([{"port": {"number": 443, "name": "p", "protocol": "TCP"}, "hosts": ["*"]}]),
        ),
        route("v", "a"),
    ]);
    objects[4]["spec"]["selector"] = json!({"app": "gw"});
    let config = compiled(MESH, objects, "gw");
    // `gw-b.default...` comes before `gw.default...`.
    assert!(!named(&config.listeners, "0.0.0.0_9443").is_null());
}

#[test]
fn every_namespace_and_host_is_every_host() {
    let mut all = server("t", "*/*");
    all["hosts"] = json!(["*/*", "h.example.com"]);
    let config = compiled(
        MESH,
        with(vec![gateway("a", json!([all])), route("v", "a")]),
        "gw",
    );
    assert_eq!(names(&config, "0.0.0.0_13306"), [Value::Null]);
}

#[test]
fn any_name_passed_through_still_needs_tls_looked_at() {
    let passed = json!({"port": {"number": 13306, "name": "p", "protocol": "TLS"}, "hosts": ["*"],
        "tls": {"mode": "PASSTHROUGH"}});
    let sni = |name: &str, host: &str| {
        istio(
            "VirtualService",
            name,
            json!({"hosts": ["*"], "gateways": ["a"],
                "tls": [{"match": [{"sniHosts": [host]}], "route": [{"destination": {"host": "mysql"}}]}]}),
        )
    };
    let objects = with(vec![
        gateway("a", json!([passed])),
        sni("v", "*"),
        sni("w", "*"),
    ]);
    let config = compiled(MESH, objects, "gw");
    assert_eq!(names(&config, "0.0.0.0_13306"), [Value::Null]);
    let listener = named(&config.listeners, "0.0.0.0_13306");
    assert_eq!(
        listener["listener_filters"][0]["name"],
        "envoy.filters.listener.tls_inspector"
    );
    assert_eq!(
        config.conflicts[0].to_string(),
        "port p of Gateway default/a: VirtualService default/w gives way to VirtualService default/v: \
         the route that is seen first keeps the name *"
    );
}

#[test]
fn of_two_routes_for_a_server_the_first_takes_all() {
    let objects = with(vec![
        gateway("a", json!([server("t", "h.example.com")])),
        route("v", "a"),
        route("w", "a"),
    ]);
    let config = compiled(MESH, objects, "gw");
    assert_eq!(chains(&config, "0.0.0.0_13306").len(), 1);
    assert!(
        config.conflicts[0]
            .to_string()
            .contains("VirtualService default/w gives way to VirtualService default/v")
    );
}

#[test]
fn http_servers_keep_their_names_and_end_at_the_black_hole() {
    let https = json!({"port": {"number": 13306, "name": "h", "protocol": "HTTPS"}, "hosts": ["h.example.com"],
        "tls": {"mode": "SIMPLE", "credentialName": "web"}});
    let http = json!({"port": {"number": 80, "name": "p", "protocol": "HTTP"}, "hosts": ["*"],
        "tls": {"httpsRedirect": true}});
    let servers = json!([https, server("t", "*.example.com"), http]);
    let config = compiled(
        MESH,
        with(vec![gateway("a", servers), route("v", "a")]),
        "gw",
    );
    let places: Vec<u32> = config.http.iter().map(|p| p.port).collect();
    assert_eq!(places, [13306, 80]);
    let all = chains(&config, "0.0.0.0_13306");
    assert_eq!(
        all[0]["filter_chain_match"]["server_names"],
        json!(["h.example.com"])
    );
    let last = &all[0]["filters"][0]["typed_config"];
    assert_eq!(last["cluster"], "BlackHoleCluster");
    assert!(last["access_log"].is_array(), "{last}");
    // The server's own certificate is asked for, as with Istio.
    assert!(config.secrets.contains_key("kubernetes://web"));
    let plain = chains(&config, "0.0.0.0_80");
    assert_eq!(
        plain[0]["filters"][0]["typed_config"]["cluster"],
        "BlackHoleCluster"
    );
    assert!(named(&config.listeners, "0.0.0.0_80")["listener_filters"].is_null());
}

#[test]
fn mongo_is_read_for_its_statistics() {
    let mongo =
        json!({"port": {"number": 27017, "name": "m", "protocol": "MONGO"}, "hosts": ["*"]});
    let config = compiled(
        MESH,
        with(vec![gateway("a", json!([mongo])), route("v", "a")]),
        "gw",
    );
    let filters = &chains(&config, "0.0.0.0_27017")[0]["filters"];
    assert_eq!(filters[0]["name"], "envoy.filters.network.mongo_proxy");
    assert_eq!(filters[1]["name"], "envoy.filters.network.tcp_proxy");
}

#[test]
fn a_service_can_say_that_gateways_name_the_pods_ports() {
    let plain = json!({"port": {"number": 443, "name": "p", "protocol": "TCP"}, "hosts": ["*"]});
    let mut objects = with(vec![gateway("a", json!([plain])), route("v", "a")]);
    objects[2]["metadata"]["labels"] =
        json!({"experimental.istio.io/disable-gateway-port-translation": "true"});
    let config = compiled(MESH, objects, "gw");
    assert!(!named(&config.listeners, "0.0.0.0_443").is_null());
    assert!(named(&config.listeners, "0.0.0.0_8443").is_null());
}
