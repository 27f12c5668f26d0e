//! What a `Sidecar` imports and listens to.

use meshproof_mesh::{MeshConfig, admit};
use serde_json::{Value, json};

use crate::build::{client, cluster, destinations, istio, listener, pod, service};

fn cluster_of(name: &str, namespace: &str) -> String {
    format!("outbound|3306||{name}.{namespace}.svc.cluster.local")
}

fn objects(egress: Value) -> Vec<Value> {
    let ports = json!([{"port": 3306, "name": "tcp"}, {"port": 3307, "name": "tcp-more"}]);
    vec![
        pod("client", "default", "10.0.0.2"),
        service("a", "default", "10.96.0.1", &ports),
        service("b", "other", "10.96.0.2", &ports),
        service("c", "third", "10.96.0.3", &ports),
        istio("Sidecar", "s", "default", json!({"egress": egress})),
    ]
}

fn known(egress: Value) -> String {
    let config = client(objects(egress));
    [("a", "default"), ("b", "other"), ("c", "third")]
        .into_iter()
        .filter(|(name, namespace)| !cluster(&config, &cluster_of(name, namespace)).is_null())
        .map(|(name, _)| name)
        .collect()
}

/// `convertIstioListenerToWrapper` in `pilot/pkg/model/sidecar.go`.
#[test]
fn hosts_by_namespace() {
    for (hosts, want) in [
        (json!(["./*"]), "a"),
        (json!(["*/*"]), "abc"),
        (json!(["other/*", "*/c.third.svc.cluster.local"]), "bc"),
        (json!(["*/*", "~other/*"]), "ac"),
        (json!(["*/*", "~/*.third.svc.cluster.local"]), "ab"),
        (json!(["~/*"]), ""),
        (json!(["other/a.default.svc.cluster.local"]), ""),
    ] {
        assert_eq!(known(json!([{"hosts": hosts}])), want, "{hosts}");
    }
}

/// `servicesForExactHosts`: a host that is named exactly is looked up, and has its first address alone.
#[test]
fn exactly_named_hosts_are_looked_up() {
    let spec = json!({"hosts": ["db.example.com"], "resolution": "STATIC", "endpoints": [{"address": "10.9.9.9"}],
        "addresses": ["192.0.2.1", "192.0.2.2"], "ports": [{"number": 3306, "name": "tcp", "protocol": "TCP"}]});
    let listeners = |hosts: Value| {
        let config = client(vec![
            pod("client", "default", "10.0.0.2"),
            istio("ServiceEntry", "e", "default", spec.clone()),
            istio(
                "Sidecar",
                "s",
                "default",
                json!({"egress": [{"hosts": hosts}]}),
            ),
        ]);
        let names = ["192.0.2.1_3306", "192.0.2.2_3306"];
        names.map(|name| !listener(&config, name).is_null())
    };
    assert_eq!(listeners(json!(["./db.example.com"])), [true, false]);
    assert_eq!(
        listeners(json!(["./db.example.com", "~other/*"])),
        [true, false]
    );
    assert_eq!(listeners(json!(["*/db.example.com"])), [true, true]);
    assert_eq!(
        listeners(json!(["./db.example.com", "./*.example.org"])),
        [true, true]
    );
}

/// `collectImportedServices`: where a route leads is known, with the ports that it names; it has no listener.
#[test]
fn destinations_of_routes_are_known() {
    let mut objects = objects(json!([{"hosts": ["./*"]}]));
    let route =
        json!([{"destination": {"host": "b.other.svc.cluster.local", "port": {"number": 3307}}}]);
    objects.push(istio(
        "VirtualService",
        "v",
        "default",
        json!({"hosts": ["a"], "tcp": [{"match": [{"port": 3306}], "route": route}]}),
    ));
    let config = client(objects);
    assert!(cluster(&config, &cluster_of("b", "other")).is_null());
    assert!(!cluster(&config, "outbound|3307||b.other.svc.cluster.local").is_null());
    assert!(listener(&config, "10.96.0.2_3307").is_null());
    let leads = destinations(listener(&config, "10.96.0.1_3306"));
    assert_eq!(leads, ["outbound|3307||b.other.svc.cluster.local"]);
}

/// `buildSidecarOutboundListeners` in `pilot/pkg/networking/core/listener.go`: a listener with a port takes the
/// services that have it, and a catch-all after it adds nothing there.
#[test]
fn a_port_of_its_own() {
    let port = json!({"number": 3306, "protocol": "TCP", "name": "tcp"});
    let config = client(objects(json!([
        {"port": port, "hosts": ["other/*"]},
        {"hosts": ["./*"]},
    ])));
    for (name, there) in [
        ("10.96.0.2_3306", true),
        ("10.96.0.2_3307", false),
        ("10.96.0.1_3306", true),
        ("10.96.0.1_3307", true),
    ] {
        assert_eq!(!listener(&config, name).is_null(), there, "{name}");
    }
    assert!(cluster(&config, "outbound|3307||b.other.svc.cluster.local").is_null());
}

#[test]
fn a_listener_bound_to_a_port() {
    let port = json!({"number": 3306, "protocol": "TCP", "name": "tcp"});
    let config = client(objects(json!([
        {"port": port, "captureMode": "NONE", "hosts": ["other/*"]},
    ])));
    let found = listener(&config, "127.0.0.1_3306");
    assert!(found["bind_to_port"].is_null(), "{found}");
    assert_eq!(destinations(found), [cluster_of("b", "other")]);

    let config = client(objects(json!([
        {"port": port, "bind": "127.0.0.9", "hosts": ["other/*"]},
    ])));
    assert_eq!(listener(&config, "127.0.0.9_3306")["bind_to_port"], false);
}

/// A listener's services share its address; the first takes plain TCP.
#[test]
fn services_share_a_bound_listener() {
    let port = json!({"number": 3306, "protocol": "TCP", "name": "tcp"});
    let config = client(objects(json!([
        {"port": port, "bind": "127.0.0.9", "hosts": ["*/*"]},
    ])));
    let leads = destinations(listener(&config, "127.0.0.9_3306"));
    assert_eq!(leads, [cluster_of("a", "default")]);
    assert_eq!(config.conflicts.len(), 2, "{:?}", config.conflicts);
}

/// `SelectVirtualServices` in `pilot/pkg/model/virtualservice.go`: routes are imported by their hosts too.
#[test]
fn routes_are_imported_by_host() {
    let mut objects = objects(json!([{"hosts": ["./*"]}]));
    for namespace in ["default", "other"] {
        let route = json!([{"destination": {"host": format!("{namespace}.example.com")}}]);
        let spec = json!({"hosts": ["a.default.svc.cluster.local"], "tcp": [{"route": route}]});
        objects.push(istio("VirtualService", "v", namespace, spec));
    }
    let config = client(objects);
    let leads = destinations(listener(&config, "10.96.0.1_3306"));
    assert_eq!(leads, ["outbound|3306||default.example.com"]);
    assert!(config.conflicts.is_empty(), "{:?}", config.conflicts);
}

/// What a stock Envoy here cannot do is refused by name, and not left out.
#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let mesh = MeshConfig::from_yaml("").unwrap();
    let http = json!({"number": 80, "protocol": "HTTP", "name": "http"});
    for (listener, what) in [
        (
            json!({"port": http, "captureMode": "NONE", "hosts": ["*/*"]}),
            "spec.egress[0].port.protocol: HTTP is not supported",
        ),
        (
            json!({"port": http, "bind": "127.0.0.9", "hosts": ["*/*"]}),
            "spec.egress[0].port.protocol: HTTP is not supported",
        ),
        (
            json!({"bind": "unix:///x", "hosts": ["*/*"]}),
            "spec.egress[0].bind: a Unix socket is not supported",
        ),
    ] {
        let object = istio("Sidecar", "s", "default", json!({"egress": [listener]}));
        let error = admit(&object, &mesh).error.unwrap();
        assert!(error.contains(what), "{error}");
    }
    let redirected = json!({"egress": [{"port": http, "hosts": ["*/*"]}]});
    let object = istio("Sidecar", "s", "default", redirected);
    assert_eq!(admit(&object, &mesh).error, None);
}
