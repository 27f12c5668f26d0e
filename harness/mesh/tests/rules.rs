//! Rules of Istio beyond the recorded cases, one small cluster each.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, missing_docs)]

use std::sync::Arc;

use meshproof_mesh::{MeshConfig, Objects, ProxyConfig, ProxyId, SecretValue, compile};
use serde_json::{Value, json};

const MESH: &str = "accessLogFile: /dev/stdout";

fn pod(name: &str, namespace: &str, ip: &str, role: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name, "security.istio.io/tlsMode": "istio"}},
        "spec": {"serviceAccountName": "default", "initContainers": [{"name": "istio-proxy", "restartPolicy": "Always", "args": ["proxy", role]}],
                 "containers": [{"name": "c", "ports": [{"name": "db", "containerPort": 3307}]}]},
        "status": {"podIP": ip}})
}

fn service(name: &str, ip: &str, ports: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": {"clusterIP": ip, "selector": {"app": name}, "ports": ports}})
}

fn istio(kind: &str, name: &str, namespace: &str, spec: Value) -> Value {
    let group = match kind {
        "PeerAuthentication" | "AuthorizationPolicy" => "security.istio.io/v1",
        "Telemetry" => "telemetry.istio.io/v1",
        _ => "networking.istio.io/v1",
    };
    json!({"apiVersion": group, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

fn compiled(mesh: &str, objects: Vec<Value>, proxy: &str) -> ProxyConfig {
    let mesh = Arc::new(MeshConfig::from_yaml(mesh).unwrap());
    let objects = Objects::new(mesh, objects.into_iter().map(Arc::new));
    compile(
        &objects,
        &ProxyId {
            namespace: "default".into(),
            name: proxy.into(),
        },
    )
}

fn named<'a>(list: &'a [Arc<Value>], name: &str) -> &'a Value {
    list.iter()
        .find(|v| v["name"] == name)
        .map_or(&Value::Null, |v| v)
}

fn mysql() -> Vec<Value> {
    vec![
        pod("mysql", "default", "10.0.0.1", "sidecar"),
        pod("client", "default", "10.0.0.2", "sidecar"),
        service(
            "mysql",
            "10.96.0.1",
            json!([{"port": 3306, "targetPort": "db"}]),
        ),
    ]
}

#[test]
fn named_target_ports_are_those_of_the_pod() {
    let config = compiled(MESH, mysql(), "mysql");
    assert_eq!(
        named(&config.clusters, "inbound|3307||")["type"],
        "ORIGINAL_DST"
    );
    let inbound = named(&config.listeners, "virtualInbound").to_string();
    assert!(inbound.contains("0.0.0.0_3307"), "{inbound}");
    let endpoint = &config.endpoints[0]["endpoints"][0]["lb_endpoints"][0];
    assert_eq!(
        endpoint["endpoint"]["address"]["socket_address"]["port_value"],
        3307
    );
}

#[test]
fn a_mesh_without_logs_has_none() {
    let config = compiled("", mysql(), "client");
    assert!(!format!("{:?}", config.listeners).contains("access_log"));
}

#[test]
fn a_disabled_namespace_has_no_mesh_tls_towards_it() {
    let mut objects = mysql();
    objects.push(istio(
        "PeerAuthentication",
        "x",
        "default",
        json!({"mtls": {"mode": "DISABLE"}}),
    ));
    let config = compiled(MESH, objects, "client");
    let cluster = named(
        &config.clusters,
        "outbound|3306||mysql.default.svc.cluster.local",
    );
    assert!(cluster["transport_socket_matches"].is_null() && cluster["transport_socket"].is_null());
}

#[test]
fn headless_services_have_a_listener_for_each_other_pod() {
    let mut objects = mysql();
    objects[2]["spec"]["clusterIP"] = "None".into();
    let config = compiled(MESH, objects.clone(), "client");
    assert!(!named(&config.listeners, "10.0.0.1_3306").is_null());
    let cluster = named(
        &config.clusters,
        "outbound|3306||mysql.default.svc.cluster.local",
    );
    assert_eq!(
        (&cluster["type"], &cluster["lb_policy"]),
        (&"ORIGINAL_DST".into(), &"CLUSTER_PROVIDED".into())
    );
    let config = compiled(MESH, objects, "mysql");
    assert!(named(&config.listeners, "10.0.0.1_3306").is_null());
}

#[test]
fn a_sidecar_resource_limits_what_is_known() {
    let mut objects = mysql();
    objects.push(istio(
        "Sidecar",
        "x",
        "default",
        json!({"egress": [{"hosts": ["./other.default.svc.cluster.local"]}], "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}),
    ));
    let config = compiled(MESH, objects, "client");
    assert!(
        named(
            &config.clusters,
            "outbound|3306||mysql.default.svc.cluster.local"
        )
        .is_null()
    );
    let out = named(&config.listeners, "virtualOutbound")["filter_chains"][1].to_string();
    assert!(out.contains("BlackHoleCluster"), "{out}");
}

#[test]
fn telemetry_switches_a_named_provider() {
    let logging = |spec: Value| {
        let mut objects = mysql();
        objects.push(istio(
            "Telemetry",
            "x",
            "istio-system",
            json!({"accessLogging": [spec]}),
        ));
        objects
    };
    let off = compiled(
        MESH,
        logging(json!({"providers": [{"name": "envoy"}], "disabled": true})),
        "mysql",
    );
    assert!(!format!("{:?}", off.listeners).contains("access_log"));
    let server_only = logging(
        json!({"providers": [{"name": "envoy"}], "match": {"mode": "SERVER"}, "filter": {"expression": "true"}}),
    );
    let config = compiled("", server_only, "mysql");
    assert!(named(&config.listeners, "virtualOutbound")["access_log"].is_null());
    let inbound = named(&config.listeners, "virtualInbound")["access_log"][0]["filter"].to_string();
    assert!(
        inbound.contains("and_filter") && inbound.contains("cel"),
        "{inbound}"
    );
}

#[test]
fn trust_domains_and_aliases_are_in_identities_and_policies() {
    let mesh = "trustDomain: a.org\ntrustDomainAliases: [b.org]\n";
    let mut objects = mysql();
    objects.push(istio(
        "AuthorizationPolicy",
        "p",
        "default",
        json!({"rules": [{"from": [{"source": {"principals": ["cluster.local/ns/x/sa/y"], "notNamespaces": ["bad*"]}}],
               "when": [{"key": "destination.port", "notValues": ["1"]}]}]}),
    ));
    let config = compiled(mesh, objects, "mysql");
    let cluster = named(
        &config.clusters,
        "outbound|3306||mysql.default.svc.cluster.local",
    )
    .to_string();
    assert!(
        cluster.contains("spiffe://a.org/ns/default/sa/default")
            && cluster.contains("spiffe://b.org/ns/default/sa/default")
    );
    let inbound = named(&config.listeners, "virtualInbound").to_string();
    for text in [
        "spiffe://a.org/ns/x/sa/y",
        "spiffe://b.org/ns/x/sa/y",
        "\"prefix\":\"spiffe://b.org/\"",
        ".*/ns/bad.*/.*",
    ] {
        assert!(inbound.contains(text), "{text} in {inbound}");
    }
    let own = SecretValue::Workload {
        spiffe_id: "spiffe://a.org/ns/default/sa/default".into(),
    };
    assert_eq!(config.secrets["default"], Some(own));
}

#[test]
fn outlier_detection_and_keepalive_reach_the_cluster() {
    let mut objects = mysql();
    objects.push(istio(
        "DestinationRule",
        "x",
        "default",
        json!({"host": "mysql", "trafficPolicy": {
            "outlierDetection": {"consecutiveGatewayErrors": 3, "interval": "1m", "maxEjectionPercent": 50},
            "connectionPool": {"tcp": {"idleTimeout": "30s", "tcpKeepalive": {"time": "7200s", "probes": 3}}}}}),
    ));
    let config = compiled(MESH, objects, "client");
    let cluster = named(
        &config.clusters,
        "outbound|3306||mysql.default.svc.cluster.local",
    );
    assert_eq!(cluster["outlier_detection"]["interval"], "60s");
    assert_eq!(
        cluster["outlier_detection"]["consecutive_gateway_failure"],
        3
    );
    assert_eq!(
        cluster["upstream_connection_options"]["tcp_keepalive"],
        json!({"keepalive_probes": 3, "keepalive_time": 7200})
    );
    let filter = &named(&config.listeners, "10.96.0.1_3306")["filter_chains"][0]["filters"][0]["typed_config"];
    assert_eq!(filter["idle_timeout"], "30s");
}

#[test]
fn a_route_by_source_labels_and_subnets() {
    let mut objects = mysql();
    objects.push(istio(
        "VirtualService",
        "x",
        "default",
        json!({"hosts": ["mysql"], "tcp": [
            {"match": [{"sourceLabels": {"app": "other"}}], "route": [{"destination": {"host": "never"}}]},
            {"match": [{"destinationSubnets": ["10.96.0.0/16"]}], "route": [{"destination": {"host": "by-subnet"}}]}]}),
    ));
    let config = compiled(MESH, objects, "client");
    let listener = named(&config.listeners, "10.96.0.1_3306");
    assert_eq!(
        listener["filter_chains"][0]["filter_chain_match"]["prefix_ranges"][0]["prefix_len"],
        16
    );
    assert!(
        listener["filter_chains"]
            .to_string()
            .contains("outbound|3306||by-subnet.default.svc.cluster.local")
    );
    assert!(
        listener["default_filter_chain"]
            .to_string()
            .contains("outbound|3306||mysql.default.svc.cluster.local")
    );
    assert!(!listener.to_string().contains("never"));
}

#[test]
fn objects_that_admission_refuses_take_no_effect() {
    let mut objects = mysql();
    objects.push(istio(
        "PeerAuthentication",
        "x",
        "default",
        json!({"mtls": {"mode": "STRICT"}, "portLevelMtls": {"1": {}}}),
    ));
    let config = compiled(MESH, objects, "mysql");
    let raw = |c: &&Value| c["filter_chain_match"]["transport_protocol"] == "raw_buffer";
    let chains = named(&config.listeners, "virtualInbound")["filter_chains"]
        .as_array()
        .unwrap();
    assert_eq!(chains.iter().filter(raw).count(), 2, "still permissive");
}
