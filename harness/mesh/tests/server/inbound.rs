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

/// The names of the listener's chains.
fn names(config: &meshproof_mesh::ProxyConfig) -> Vec<&str> {
    chains(config, "virtualInbound")
        .iter()
        .filter_map(|c| c["name"].as_str())
        .collect()
}

#[test]
fn a_port_of_udp_is_taken_like_one_of_tcp_and_keeps_it_from_others() {
    let mut objects = cluster();
    objects[3]["spec"]["ports"] = json!([
        {"name": "udp", "port": 53, "protocol": "UDP"},
        {"name": "http", "port": 80, "targetPort": 53},
    ]);
    let config = compiled(MESH, objects, "mysql");
    let own = names(&config);
    let own = own.iter().filter(|n| **n == "0.0.0.0_53").count();
    assert_eq!(own, 3, "TCP's ways, and none of HTTP");
    assert_eq!(
        named(&config.clusters, "inbound|53||")["type"],
        "ORIGINAL_DST"
    );
    // Nothing is sent to it all the same.
    let out = named(
        &config.clusters,
        "outbound|53||mysql.default.svc.cluster.local",
    );
    assert!(out.is_null());
}

#[test]
fn named_ports_are_those_of_the_transport_and_of_containers_that_stay() {
    let mut objects = cluster();
    objects[1]["spec"]["containers"][0]["ports"] = json!([
        {"name": "db", "containerPort": 3305, "protocol": "UDP"},
        {"name": "db", "containerPort": 3307},
    ]);
    objects[1]["spec"]["initContainers"] = json!([
        {"name": "once", "ports": [{"name": "db", "containerPort": 1}, {"name": "late", "containerPort": 2}]},
        {"name": "native", "restartPolicy": "Always", "ports": [{"name": "late", "containerPort": 3308}]},
    ]);
    objects[3]["spec"]["ports"] = json!([
        {"name": "tcp-a", "port": 3306, "targetPort": "db"},
        {"name": "tcp-b", "port": 3309, "targetPort": "late"},
    ]);
    let config = compiled(MESH, objects, "mysql");
    for port in ["3307", "3308"] {
        let name = format!("0.0.0.0_{port}");
        assert!(names(&config).contains(&name.as_str()), "{port}");
    }
    for port in ["1", "2", "3305"] {
        let name = format!("0.0.0.0_{port}");
        assert!(!names(&config).contains(&name.as_str()), "{port}");
    }
}

#[test]
fn a_port_level_mode_stands_without_a_chain_only_where_no_service_has_the_port() {
    let mut objects = cluster();
    objects[3]["spec"]["ports"] =
        json!([{"name": "tcp-a", "port": 3306}, {"name": "tcp-b", "port": 15021}]);
    objects.push(istio(
        "PeerAuthentication",
        "a",
        json!({"selector": {"matchLabels": {"app": "mysql"}},
            "portLevelMtls": {"15021": {"mode": "DISABLE"}, "9000": {"mode": "DISABLE"}}}),
    ));
    let config = compiled(MESH, objects, "mysql");
    let ports: Vec<&Value> = chains(&config, "virtualInbound")
        .iter()
        .map(|c| &c["filter_chain_match"]["destination_port"])
        .filter(|p| **p == 15021 || **p == 9000)
        .collect();
    assert_eq!(ports, [9000]);
}

fn ingress(listeners: Value) -> Value {
    let labels = json!({"labels": {"app": "mysql"}});
    istio(
        "Sidecar",
        "s",
        json!({"workloadSelector": labels, "ingress": listeners, "inboundConnectionPool": {"tcp": {"maxConnections": 3}}}),
    )
}

#[test]
fn what_a_sidecar_accepts_takes_the_place_of_what_services_say() {
    let mut objects = cluster();
    objects[3]["spec"]["ports"] =
        json!([{"name": "tcp-a", "port": 3306}, {"name": "tcp-b", "port": 3309}]);
    objects.push(ingress(json!([
        {"port": {"number": 3306, "protocol": "TCP"}, "defaultEndpoint": "127.0.0.1:3307"},
        {"port": {"number": 3308, "protocol": "TCP"}, "bind": "0.0.0.0", "defaultEndpoint": "0.0.0.0:3307",
            "connectionPool": {"tcp": {"maxConnections": 4}}},
        {"port": {"number": 3310, "protocol": "HTTP"}, "defaultEndpoint": ":1"},
        {"port": {"number": 15090, "protocol": "TCP"}, "bind": "0.0.0.0"},
    ])));
    objects.push(istio(
        "PeerAuthentication",
        "a",
        json!({"selector": {"matchLabels": {"app": "mysql"}}, "mtls": {"mode": "STRICT"},
            "portLevelMtls": {"3308": {"mode": "DISABLE"}, "3309": {"mode": "DISABLE"}}}),
    ));
    let config = compiled(MESH, objects, "mysql");
    assert_eq!(
        names(&config),
        [
            "virtualInbound-blackhole",
            "virtualInbound",
            // The service's port is like any that nobody says.
            "virtualInbound",
            "10.0.0.2_3306",
            "0.0.0.0_3308"
        ]
    );
    let cluster = |port: u32| named(&config.clusters, &format!("inbound|{port}||"));
    let to = |port: u32| {
        &cluster(port)["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    };
    let most = |port: u32| &cluster(port)["circuit_breakers"]["thresholds"][0]["max_connections"];
    assert_eq!(to(3306)["socket_address"]["address"], "127.0.0.1");
    assert!(cluster(3306)["upstream_bind_config"].is_null());
    assert_eq!(to(3308)["socket_address"]["address"], "10.0.0.2");
    assert!(!cluster(3308)["upstream_bind_config"].is_null());
    assert_eq!((most(3306), most(3308)), (&json!(3), &json!(4)));
    assert_eq!(cluster(3310)["type"], "ORIGINAL_DST");
    assert!(cluster(3309).is_null());
}
