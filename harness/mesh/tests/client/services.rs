//! Which services a proxy knows, in what order, and who stands behind them.

use serde_json::{Value, json};

use crate::build::{
    address, at, bare, client, cluster, conflicts, endpoints, hosts, istio, listener, of, pod,
    router, service,
};

fn entry(name: &str, namespace: &str, mut more: Value) -> Value {
    let mut spec = json!({"hosts": ["db.example.com"], "resolution": "STATIC",
        "ports": [{"number": 3306, "name": "tcp", "protocol": "TCP"}]});
    spec.as_object_mut()
        .unwrap()
        .append(more.as_object_mut().unwrap());
    istio("ServiceEntry", name, namespace, spec)
}

fn me() -> Value {
    pod("client", "default", "10.0.0.2")
}

/// Two entries for one host, each with an endpoint; the later has these ports.
fn two_entries(ports: Value) -> Vec<Value> {
    let with = |name: &str, more: Value| entry(name, "default", more);
    let later = json!({"endpoints": [{"address": "10.9.9.2"}], "ports": ports});
    vec![
        me(),
        at(
            1,
            with("a", json!({"endpoints": [{"address": "10.9.9.1"}]})),
        ),
        at(2, with("b", later)),
    ]
}

/// `pilot/pkg/serviceregistry/serviceentry/conversion.go`: a service for each pair of host and address;
/// `pilot/pkg/model/endpointshards.go`: their endpoints go together, so each is told twice.
#[test]
fn an_entry_with_two_addresses_has_two_listeners() {
    let config = client(vec![
        me(),
        entry(
            "e",
            "default",
            json!({"addresses": ["192.0.2.1", "192.0.2.2/32", "198.51.100.0/24"], "endpoints": [{"address": "10.9.9.9"}]}),
        ),
    ]);
    for name in ["192.0.2.1_3306", "192.0.2.2_3306"] {
        assert!(!listener(&config, name).is_null(), "{name}");
    }
    let block = &listener(&config, "0.0.0.0_3306")["filter_chains"][0]["filter_chain_match"];
    assert_eq!(block["prefix_ranges"][0]["prefix_len"], 24);
    let told = endpoints(&config, "outbound|3306||db.example.com");
    assert_eq!(told.len(), 3);
    assert!(conflicts(&config).is_empty(), "{:?}", conflicts(&config));
}

/// `pilot/pkg/model/endpointshards.go`: endpoints are kept by host and namespace, whoever declares them.
#[test]
fn entries_for_one_host_share_their_endpoints() {
    let config = client(vec![
        me(),
        at(
            1,
            entry(
                "a",
                "default",
                json!({"endpoints": [{"address": "10.9.9.1"}], "subjectAltNames": ["a"]}),
            ),
        ),
        at(
            2,
            entry(
                "b",
                "default",
                json!({"endpoints": [{"address": "10.9.9.2"}], "subjectAltNames": ["b"]}),
            ),
        ),
        at(
            3,
            entry(
                "c",
                "other",
                json!({"endpoints": [{"address": "10.9.9.3"}]}),
            ),
        ),
    ]);
    let told = endpoints(&config, "outbound|3306||db.example.com");
    let addresses: Vec<&str> = told.iter().map(|(a, _)| a.as_str()).collect();
    assert_eq!(addresses, ["10.9.9.1:3306", "10.9.9.2:3306"]);
    let told = conflicts(&config).join("\n");
    for text in [
        "ServiceEntry default/b gives way to ServiceEntry default/a",
        "ServiceEntry other/c gives way to ServiceEntry default/a",
    ] {
        assert!(told.contains(text), "{text} in {told}");
    }
}

/// `appendSidecarServices` in `pilot/pkg/model/sidecar.go`: ports that only the later entry has are added.
#[test]
fn entries_for_one_host_add_their_ports() {
    let ports = json!([{"number": 3307, "name": "more", "protocol": "TCP"}]);
    let config = client(two_entries(ports));
    let told = endpoints(&config, "outbound|3307||db.example.com");
    assert_eq!(told[0].0, "10.9.9.2:3307");
    assert!(conflicts(&config).is_empty());
}

/// `selectServices` in `pilot/pkg/model/sidecar.go`: the client's own namespace comes first, also before an
/// older entry; a gateway takes the oldest (`DefaultSidecarScopeForGateway`).
#[test]
fn a_host_of_several_namespaces_is_taken_from_the_clients_own() {
    let objects = vec![
        me(),
        router("gateway", "default", "10.0.0.9"),
        at(
            1,
            entry(
                "a",
                "other",
                json!({"endpoints": [{"address": "10.9.9.1"}]}),
            ),
        ),
        at(
            2,
            entry(
                "b",
                "default",
                json!({"endpoints": [{"address": "10.9.9.2"}]}),
            ),
        ),
    ];
    let told = |config: meshproof_mesh::ProxyConfig| {
        endpoints(&config, "outbound|3306||db.example.com")[0]
            .0
            .clone()
    };
    assert_eq!(told(client(objects.clone())), "10.9.9.2:3306");
    assert_eq!(told(of("gateway", "default", objects)), "10.9.9.1:3306");
}

/// `selectServices`: of foreign namespaces, one with a Service of Kubernetes.
#[test]
fn a_service_of_kubernetes_comes_before_entries_for_its_host() {
    let ports = json!([{"port": 3306, "name": "tcp"}]);
    let squatter =
        json!({"hosts": ["mysql.data.svc.cluster.local"], "endpoints": [{"address": "10.9.9.1"}]});
    let objects = vec![
        me(),
        bare("mysql", "data", "10.0.0.1"),
        at(1, entry("a", "other", squatter)),
        at(2, service("mysql", "data", "10.96.0.1", &ports)),
    ];
    let config = client(objects);
    let told = endpoints(&config, "outbound|3306||mysql.data.svc.cluster.local");
    assert_eq!(told, [("10.0.0.1:3306".to_owned(), "HEALTHY".to_owned())]);
    assert!(conflicts(&config)[0].contains("ServiceEntry other/a gives way to Service data/mysql"));
}

/// `servicesExportedToNamespace` in `pilot/pkg/model/push_context.go`: services exported to the namespace by
/// name come before public ones, and so win where two want the same connections.
#[test]
fn private_services_come_first() {
    let objects = |second: Value| {
        vec![
            me(),
            at(
                1,
                entry(
                    "a",
                    "default",
                    json!({"hosts": ["a.example.com"], "endpoints": [{"address": "10.9.9.1"}]}),
                ),
            ),
            at(2, entry("b", "default", second)),
        ]
    };
    let config = client(objects(
        json!({"hosts": ["b.example.com"], "endpoints": [{"address": "10.9.9.2"}]}),
    ));
    let lead = |c| crate::build::destinations(listener(c, "0.0.0.0_3306"));
    assert_eq!(lead(&config), ["outbound|3306||a.example.com"]);
    let config = client(objects(
        json!({"hosts": ["b.example.com"], "endpoints": [{"address": "10.9.9.2"}], "exportTo": ["."]}),
    ));
    assert_eq!(lead(&config), ["outbound|3306||b.example.com"]);
    let lost = "listener 0.0.0.0:3306: ServiceEntry default/a gives way to ServiceEntry default/b";
    assert!(
        conflicts(&config)[0].starts_with(lost),
        "{:?}",
        conflicts(&config)
    );
}

/// `DefaultSendUnhealthyEndpoints` in `pilot/pkg/features/experimental.go`: unready pods are told and not
/// used, unless a rule says from what share of healthy endpoints on all are used; those on their way out
/// are not told (`filterIstioEndpoint` in `pilot/pkg/xds/endpoints/endpoint_builder.go`).
#[test]
fn unready_pods_are_told_as_such() {
    let mut unready = pod("mysql", "default", "10.0.0.1");
    unready["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
    let ports = json!([{"port": 3306}]);
    let host = "mysql.default.svc.cluster.local";
    let cluster_name = format!("outbound|3306||{host}");
    let mut objects = vec![
        me(),
        unready.clone(),
        service("mysql", "default", "10.96.0.1", &ports),
    ];
    let told = endpoints(&client(objects.clone()), &cluster_name);
    assert_eq!(told, [("10.0.0.1:3306".to_owned(), "UNHEALTHY".to_owned())]);

    let rule =
        json!({"host": host, "trafficPolicy": {"outlierDetection": {"minHealthPercent": 50}}});
    objects.push(istio("DestinationRule", "r", "default", rule));
    assert!(endpoints(&client(objects), &cluster_name).is_empty());

    unready["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    let objects = vec![
        me(),
        unready.clone(),
        service("mysql", "default", "10.96.0.1", &ports),
    ];
    assert!(endpoints(&client(objects), &cluster_name).is_empty());

    let mut eager = service("mysql", "default", "10.96.0.1", &ports);
    eager["spec"]["publishNotReadyAddresses"] = true.into();
    let told = endpoints(&client(vec![me(), unready, eager]), &cluster_name);
    assert_eq!(told[0].1, "HEALTHY");
}

/// `filterIstioEndpoint`: with `internalTrafficPolicy: Local` only endpoints on the client's node.
#[test]
fn a_node_local_service_stays_on_the_node() {
    let on = |node: &str, mut pod: Value| {
        pod["spec"]["nodeName"] = node.into();
        pod
    };
    let ports = json!([{"port": 3306}]);
    let mut local = service("mysql", "default", "10.96.0.1", &ports);
    local["spec"]["internalTrafficPolicy"] = "Local".into();
    let mut twin = on("far", pod("mysql-2", "default", "10.0.0.3"));
    twin["metadata"]["labels"]["app"] = "mysql".into();
    let config = client(vec![
        on("near", me()),
        on("near", pod("mysql", "default", "10.0.0.1")),
        twin,
        local,
    ]);
    let told = endpoints(&config, "outbound|3306||mysql.default.svc.cluster.local");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, "10.0.0.1:3306");
}

/// `mergeServicesInstancesByNamespaceHost` in `pilot/pkg/serviceregistry/serviceentry/controller.go`: of
/// entries that use one looked-up address, the first of each port counts.
#[test]
fn round_robin_entries_keep_one_endpoint() {
    let more =
        json!({"resolution": "DNS_ROUND_ROBIN", "endpoints": [{"address": "one.example.com"}]});
    let other =
        json!({"resolution": "DNS_ROUND_ROBIN", "endpoints": [{"address": "two.example.com"}]});
    let config = client(vec![
        me(),
        at(1, entry("a", "default", more)),
        at(2, entry("b", "default", other)),
    ]);
    let cluster = cluster(&config, "outbound|3306||db.example.com");
    assert_eq!(cluster["type"], "LOGICAL_DNS");
    let written: Vec<String> = hosts(&cluster["load_assignment"]).map(address).collect();
    assert_eq!(written, ["one.example.com:3306"]);
}

/// `pilot/pkg/xds/endpoints/endpoint_builder.go`: endpoints are told by the port's name.
#[test]
fn endpoints_follow_the_name_of_the_port() {
    let renamed = json!([{"number": 3306, "name": "other", "protocol": "TCP"}]);
    let config = client(two_entries(renamed));
    let told = endpoints(&config, "outbound|3306||db.example.com");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, "10.9.9.1:3306");
}

/// `resolveServiceAliases` in `pilot/pkg/model/push_context.go`: an `ExternalName` has no cluster or listener;
/// routes to it lead to what it means, and TLS tells that by its name too.
#[test]
fn an_external_name_is_another_name() {
    let alias = |name: &str, target: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
            "spec": {"type": "ExternalName", "externalName": target, "ports": [{"port": 443, "name": "tls"}]}})
    };
    let tls = json!({"ports": [{"number": 443, "name": "tls", "protocol": "TLS"}], "endpoints": [{"address": "10.9.9.1"}]});
    let config = client(vec![
        me(),
        alias("db", "db.example.com"),
        alias("hop", "db.default.svc.cluster.local"),
        entry("e", "default", tls),
    ]);
    assert!(cluster(&config, "outbound|443||db.default.svc.cluster.local").is_null());
    let names =
        &listener(&config, "0.0.0.0_443")["filter_chains"][0]["filter_chain_match"]["server_names"];
    let names: Vec<&str> = names
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        names,
        [
            "db",
            "db.default",
            "db.default.svc",
            "db.default.svc.cluster.local",
            "db.default.svc.cluster.local.",
            "db.example.com",
            "hop",
            "hop.default",
            "hop.default.svc",
            "hop.default.svc.cluster.local",
            "hop.default.svc.cluster.local.",
        ]
    );
}

/// `pilot/pkg/model/push_context.go`: `~` hides a service, and `*` beside it wins.
#[test]
fn exported_to_nobody() {
    let hidden = |to: &str| {
        let mut service = service("mysql", "default", "10.96.0.1", &json!([{"port": 3306}]));
        service["metadata"]["annotations"] = json!({"networking.istio.io/exportTo": to});
        let config = client(vec![me(), service]);
        cluster(&config, "outbound|3306||mysql.default.svc.cluster.local").is_null()
    };
    assert!(hidden("~"));
    assert!(hidden("~,default"));
    assert!(!hidden("~,*"));
    assert!(!hidden("."));
    assert!(hidden("other"));
}

/// `ExpandWithTrustDomains` in `pkg/spiffe/spiffe.go`, and accounts that a Service names in annotations.
#[test]
fn identities_behind_a_service() {
    let mut service = service("mysql", "default", "10.96.0.1", &json!([{"port": 3306}]));
    service["metadata"]["annotations"] = json!({
        "alpha.istio.io/kubernetes-serviceaccounts": "extra",
        "alpha.istio.io/canonical-serviceaccounts": "db.example.com",
    });
    let config = crate::build::with_mesh(
        "trustDomain: a.org\ntrustDomainAliases: [b.org]",
        "client",
        "default",
        vec![me(), pod("mysql", "default", "10.0.0.1"), service],
    );
    let text = cluster(&config, "outbound|3306||mysql.default.svc.cluster.local").to_string();
    for name in [
        "spiffe://a.org/ns/default/sa/mysql",
        "spiffe://b.org/ns/default/sa/mysql",
        "spiffe://b.org/ns/default/sa/extra",
        "\"db.example.com\"",
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
}
