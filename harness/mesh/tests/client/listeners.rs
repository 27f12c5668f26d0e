//! Which listener takes a connection, and what gives way to what.

use meshproof_mesh::{CONFLICTS_FILE, MeshConfig, compile_cluster_files};
use serde_json::{Value, json};

use crate::build::{at, client, conflicts, destinations, istio, listener, pod, service, tcp_proxy};

fn me() -> Value {
    pod("client", "default", "10.0.0.2")
}

fn entry(second: u32, host: &str, protocol: &str, address: Option<&str>) -> Value {
    let mut spec = json!({"hosts": [host], "resolution": "STATIC", "endpoints": [{"address": "10.9.9.9"}],
        "ports": [{"number": 9000, "name": "p", "protocol": protocol}]});
    if let Some(address) = address {
        spec["addresses"] = json!([address]);
    }
    at(second, istio("ServiceEntry", host, "default", spec))
}

/// `isConflictWithWellKnownPort` in `pilot/pkg/networking/core/listener.go`: MySQL and Mongo share a port with
/// nothing else; the earlier stands.
#[test]
fn server_first_protocols_share_a_port_with_nothing() {
    for (first, second) in [("MYSQL", "TLS"), ("TLS", "MONGO"), ("TCP", "MYSQL")] {
        let config = client(vec![
            me(),
            entry(1, "a.example.com", first, None),
            entry(2, "b.example.com", second, None),
        ]);
        let leads = destinations(listener(&config, "0.0.0.0_9000"));
        assert!(leads[0].ends_with("a.example.com"), "{leads:?}");
        assert!(!leads.iter().any(|l| l.ends_with("b.example.com")));
        let lost =
            "ServiceEntry default/b.example.com gives way to ServiceEntry default/a.example.com";
        assert!(
            conflicts(&config)[0].contains(lost),
            "{:?}",
            conflicts(&config)
        );
    }
}

/// `buildNetworkFiltersStack` in `pilot/pkg/networking/core/networkfilter.go`: Mongo's protocol is read for statistics.
#[test]
fn mongo_is_read_on_its_way() {
    let config = client(vec![me(), entry(1, "a.example.com", "MONGO", None)]);
    let found = listener(&config, "0.0.0.0_9000");
    let filters = found["filter_chains"][0]["filters"].as_array().unwrap();
    assert_eq!(filters[0]["name"], "envoy.filters.network.mongo_proxy");
    assert_eq!(destinations(found), ["outbound|9000||a.example.com"]);
}

/// `mergeTCPFilterChains`: chains that would take the same connections are left out; others are joined.
#[test]
fn names_tell_tls_apart_and_nothing_tells_tcp() {
    let config = client(vec![
        me(),
        entry(1, "a.example.com", "TLS", None),
        entry(2, "b.example.com", "TLS", None),
        entry(3, "c.example.com", "TCP", None),
        entry(4, "d.example.com", "TCP", None),
    ]);
    let found = listener(&config, "0.0.0.0_9000");
    let leads: Vec<String> = ["a", "b", "c"]
        .map(|h| format!("outbound|9000||{h}.example.com"))
        .into();
    assert_eq!(destinations(found), leads);
    assert_eq!(found["filter_chains"].as_array().unwrap().len(), 2);
    assert_eq!(conflicts(&config).len(), 1);
    assert!(
        conflicts(&config)[0]
            .contains("d.example.com gives way to ServiceEntry default/c.example.com")
    );
}

/// `conflictsWith`: blocks are compared without the bits beyond their length.
#[test]
fn equal_blocks_in_other_words_conflict() {
    let config = client(vec![
        me(),
        entry(1, "a.example.com", "TCP", Some("192.0.2.1/24")),
        entry(2, "b.example.com", "TCP", Some("192.0.2.77/24")),
        entry(3, "c.example.com", "TCP", Some("192.0.2.77/25")),
    ]);
    let leads = destinations(listener(&config, "0.0.0.0_9000"));
    assert_eq!(leads[0], "outbound|9000||a.example.com");
    assert_eq!(leads[1], "outbound|9000||c.example.com");
    assert_eq!(leads[2], "PassthroughCluster");
    assert_eq!(conflicts(&config).len(), 1);
}

/// `buildSidecarOutboundListener`: HTTP and TCP share a port by looking at the first bytes, so that a server that
/// speaks first is waited for in vain.
#[test]
fn http_and_tcp_share_a_port() {
    for (first, second) in [("HTTP", "TCP"), ("TCP", "HTTP")] {
        let config = client(vec![
            me(),
            entry(1, "a.example.com", first, None),
            entry(2, "b.example.com", second, None),
        ]);
        assert_eq!(config.http.len(), 1);
        let found = listener(&config, "0.0.0.0_9000");
        let inspector = &found["listener_filters"][0]["name"];
        assert_eq!(inspector, "envoy.filters.listener.http_inspector");
        let http = &found["filter_chains"][0]["filter_chain_match"]["application_protocols"];
        assert_eq!(*http, json!(["http/1.1", "h2c"]));
        assert_eq!(destinations(found)[0], "PassthroughCluster");
        assert!(conflicts(&config).is_empty());
    }
}

/// A port whose protocol is not said is looked at too; what is HTTP goes to the same service.
#[test]
fn an_unnamed_port_is_looked_at() {
    let config = client(vec![
        me(),
        service(
            "mysql",
            "default",
            "10.96.0.1",
            &json!([{"port": 3307}, {"port": 3306}]),
        ),
    ]);
    let leads = destinations(listener(&config, "10.96.0.1_3307"));
    assert_eq!(leads, ["outbound|3307||mysql.default.svc.cluster.local"; 2]);
    assert!(listener(&config, "10.96.0.1_3306")["listener_filters"].is_null());
}

/// A listener for a proxy's own protocol replaces what was on its port (`HTTP_PROXY` is no conflict there).
#[test]
fn a_proxy_port_takes_the_listener_over() {
    let config = client(vec![
        me(),
        entry(1, "a.example.com", "TCP", None),
        entry(2, "b.example.com", "HTTP_PROXY", None),
    ]);
    assert!(listener(&config, "0.0.0.0_9000").is_null());
    assert_eq!(config.http.len(), 1);
    assert!(
        conflicts(&config)[0]
            .contains("a.example.com gives way to ServiceEntry default/b.example.com")
    );
}

/// `conflictWithReservedListener` in `pilot/pkg/model/context.go`: the proxy's own ports are kept free of HTTP,
/// which would listen on all addresses.
#[test]
fn the_proxys_own_ports_are_kept_free_of_http() {
    let ports = json!([{"port": 15001, "name": "tcp-a"}, {"port": 15006, "name": "http-b"}, {"port": 15090, "name": "http-c"}]);
    let config = client(vec![me(), service("mysql", "default", "10.96.0.1", &ports)]);
    assert!(!listener(&config, "10.96.0.1_15001").is_null());
    assert!(config.http.is_empty(), "{:?}", config.http);
}

/// `buildSidecarOutboundListeners`: a service without an address has a listener for each endpoint, ready or not.
#[test]
fn headless_services_listen_for_each_endpoint() {
    let mut unready = pod("mysql", "default", "10.0.0.1");
    unready["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
    let objects = vec![
        me(),
        unready,
        service("mysql", "default", "None", &json!([{"port": 3306}])),
    ];
    let config = client(objects);
    let leads = destinations(listener(&config, "10.0.0.1_3306"));
    assert_eq!(leads, ["outbound|3306||mysql.default.svc.cluster.local"]);
}

/// `pilot/pkg/networking/core/networkfilter.go`: an idle timeout of nothing switches it off.
#[test]
fn timeouts_of_connections() {
    let rule = json!({"host": "a.example.com", "trafficPolicy": {"connectionPool": {"tcp":
        {"idleTimeout": "0s", "maxConnectionDuration": "1h"}}}});
    let config = client(vec![
        me(),
        entry(1, "a.example.com", "TCP", None),
        istio("DestinationRule", "r", "default", rule),
    ]);
    let proxy = tcp_proxy(listener(&config, "0.0.0.0_9000"), 0);
    assert_eq!(proxy["idle_timeout"], "0s");
    assert_eq!(proxy["max_downstream_connection_duration"], "3600s");
}

/// Compiled files say what gives way to what, once for all proxies; without conflicts there is no such file.
#[test]
fn conflicts_are_in_a_file() {
    let files = |hosts: &[&str]| {
        let mut objects = vec![me(), pod("other", "default", "10.0.0.3")];
        let entries = hosts.iter().zip(1..);
        objects.extend(entries.map(|(host, second)| entry(second, host, "TCP", None)));
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let mesh = MeshConfig::from_yaml("").unwrap();
        compile_cluster_files("x", &list, mesh).unwrap()
    };
    assert!(!files(&["a.example.com"]).contains_key(CONFLICTS_FILE));
    let files = files(&["a.example.com", "b.example.com"]);
    let told = files[CONFLICTS_FILE].as_array().unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
}
