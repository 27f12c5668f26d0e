//! A sidecar's inbound side (`pilot/pkg/networking/core/listener_inbound.go`).

use serde_json::{Value, json};

use crate::{MESH, chains, cluster, compiled, istio, named, service};

#[test]
fn of_two_services_on_a_port_the_first_host_says_the_protocol() {
    let mut objects = cluster();
    let mut headless = service("mysql-headless", json!([{"name": "http", "port": 3306}]));
    headless["spec"]["selector"] = json!({"app": "mysql"});
    headless["spec"]["clusterIP"] = "None".into();
    objects.push(headless);
    let own = |objects: Vec<Value>| {
        let config = compiled(MESH, objects, "mysql");
        let all = chains(&config, "virtualInbound").to_vec();
        all.into_iter()
            .filter(|c| c["name"] == "0.0.0.0_3306")
            .count()
    };
    // `mysql-headless.default...` is before `mysql.default...`: the port is HTTP, and has no TCP chains.
    assert_eq!(own(objects.clone()), 0);
    objects[3]["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
    objects[4]["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z".into();
    assert_eq!(own(objects), 3);
}

#[test]
fn connections_go_to_localhost_where_the_mesh_says_so() {
    let config = compiled(
        "inboundTrafficPolicy: {mode: LOCALHOST}",
        cluster(),
        "mysql",
    );
    let cluster = named(&config.clusters, "inbound|3306||");
    assert_eq!(cluster["type"], "STATIC");
    assert!(cluster["upstream_bind_config"].is_null() && cluster["cleanup_interval"].is_null());
    assert_eq!(
        cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"],
        json!({"address": "127.0.0.1", "port_value": 3306})
    );
}

#[test]
fn ports_of_the_proxy_itself_have_no_chain_of_their_own() {
    let mut objects = cluster();
    objects[3]["spec"]["ports"] = json!([
        {"name": "tcp-db", "port": 3306},
        {"name": "tcp-state", "port": 15090},
        {"name": "tcp-in", "port": 15006},
    ]);
    let config = compiled(MESH, objects, "mysql");
    let names: std::collections::BTreeSet<&str> = chains(&config, "virtualInbound")
        .iter()
        .filter_map(|c| c["name"].as_str())
        .collect();
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["0.0.0.0_3306", "virtualInbound", "virtualInbound-blackhole"]
    );
}

#[test]
fn what_is_said_twice_is_told() {
    let mut objects = cluster();
    let mut headless = service("mysql-headless", json!([{"name": "http", "port": 3306}]));
    headless["spec"]["selector"] = json!({"app": "mysql"});
    objects.push(headless);
    for (kind, name, spec) in [
        (
            "PeerAuthentication",
            "a",
            json!({"mtls": {"mode": "STRICT"}}),
        ),
        (
            "PeerAuthentication",
            "b",
            json!({"mtls": {"mode": "DISABLE"}}),
        ),
        ("Telemetry", "a", json!({})),
        ("Telemetry", "b", json!({})),
    ] {
        objects.push(istio(kind, name, spec));
    }
    for name in ["c", "d"] {
        objects.push(istio(
            "PeerAuthentication",
            name,
            json!({"selector": {"matchLabels": {"app": "mysql"}}, "mtls": {"mode": "STRICT"}}),
        ));
    }
    let told: Vec<String> = compiled(MESH, objects.clone(), "mysql")
        .conflicts
        .iter()
        .map(|c| format!("{}: {} < {}", c.place, c.loser, c.winner))
        .collect();
    assert_eq!(
        told,
        [
            "namespace default: PeerAuthentication default/b < PeerAuthentication default/a",
            "namespace default: Telemetry default/b < Telemetry default/a",
            "pod default/mysql: PeerAuthentication default/d < PeerAuthentication default/c",
            "port 3306 of pod default/mysql: service mysql.default.svc.cluster.local < service mysql-headless.default.svc.cluster.local",
        ]
    );
    // A gateway accepts nothing by PeerAuthentication.
    assert_eq!(compiled(MESH, objects, "gw").conflicts.len(), 1);
}
