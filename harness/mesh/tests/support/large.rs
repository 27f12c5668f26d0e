//! A cluster of any size with something of everything.

use serde_json::{Value, json};

const NAMESPACES: usize = 20;

fn namespace(i: usize) -> String {
    format!("n{}", i % NAMESPACES)
}

fn object(api: &str, kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": api, "kind": kind, "spec": spec, "metadata": {
        "name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"}})
}

fn networking(kind: &str, i: usize, spec: Value) -> Value {
    object(
        "networking.istio.io/v1",
        kind,
        &namespace(i),
        &format!("{}-{i}", kind.to_lowercase()),
        spec,
    )
}

fn security(kind: &str, i: usize, spec: Value) -> Value {
    object(
        "security.istio.io/v1",
        kind,
        &namespace(i),
        &format!("{}-{i}", kind.to_lowercase()),
        spec,
    )
}

/// Services, one in 25 headless, one in 40 private to its namespace; pods behind all of them, of which
/// `proxies` have one; and Istio's resources in proportion.
pub(crate) fn cluster(services: usize, proxies: usize) -> Vec<Value> {
    let apps = proxies * 2;
    let mut all: Vec<Value> = (0..services).map(|i| service(i, apps)).collect();
    all.extend((0..apps * 2).map(|i| pod(i, apps, i < proxies.saturating_sub(2))));
    all.extend((0..2).map(router));
    all.extend((0..services / 20).map(rule));
    all.extend((0..services / 30).map(route));
    all.extend((0..services / 25).map(entry));
    all.extend((0..NAMESPACES / 4).map(|i| sidecar(4 * i)));
    all.extend((0..NAMESPACES / 2).map(peers));
    all.extend((0..NAMESPACES).map(access));
    all.push(object(
        "telemetry.istio.io/v1",
        "Telemetry",
        &namespace(1),
        "quiet",
        json!({"accessLogging": [{"disabled": true}]}),
    ));
    all.extend(gateway());
    all
}

fn service(i: usize, apps: usize) -> Value {
    let address = if i % 25 == 7 {
        "None".to_owned()
    } else {
        format!("10.96.{}.{}", i / 250, i % 250 + 1)
    };
    let port = [
        json!({"name": "mysql", "port": 3306}),
        json!({"name": "tcp-db", "port": 5432, "targetPort": 15432}),
        json!({"name": "tls", "port": 8443}),
        json!({"name": "http", "port": 80}),
        json!({"port": 9000}),
    ];
    let spec = json!({"clusterIP": address, "selector": {"app": format!("a{}", i % apps)},
        "ports": [port[i % 5]]});
    let mut service = object(
        "v1",
        "Service",
        &namespace(i % apps),
        &format!("s{i}"),
        spec,
    );
    if i % 40 == 11 {
        service["metadata"]["annotations"] = json!({"networking.istio.io/exportTo": "."});
    }
    service
}

fn pod(i: usize, apps: usize, has_proxy: bool) -> Value {
    let containers = if has_proxy {
        json!([{"name": "istio-proxy", "args": ["proxy", "sidecar"]}])
    } else {
        json!([{"name": "app"}])
    };
    let app = i % apps;
    let mut pod = object(
        "v1",
        "Pod",
        &namespace(app),
        &format!("p{i}"),
        json!({"containers": containers, "serviceAccountName": format!("a{app}")}),
    );
    pod["metadata"]["labels"] = json!({"app": format!("a{app}"), "version": format!("v{}", i % 2),
        "security.istio.io/tlsMode": if has_proxy { "istio" } else { "disabled" }});
    pod["status"] = json!({"podIP": format!("10.1.{}.{}", i / 250, i % 250 + 1),
        "conditions": [{"type": "Ready", "status": "True"}]});
    pod
}

fn router(i: usize) -> Value {
    let name = format!("gateway-{i}");
    let mut pod = object(
        "v1",
        "Pod",
        "istio-system",
        &name,
        json!({"containers": [{"name": "istio-proxy", "args": ["proxy", "router"]}]}),
    );
    pod["metadata"]["labels"] = json!({"istio": "ingressgateway"});
    pod["status"] = json!({"podIP": format!("10.2.0.{}", i + 1)});
    pod
}

/// Of a service of another namespace, of the own with subsets, of the own for clients of one version.
fn rule(i: usize) -> Value {
    let host = format!("s{}.{}.svc.cluster.local", i * 7, namespace(i * 7));
    let policy =
        json!({"connectionPool": {"tcp": {"maxConnections": i + 1, "idleTimeout": "60s"}}});
    networking(
        "DestinationRule",
        i,
        match i % 3 {
            0 => json!({"host": host, "trafficPolicy": policy, "exportTo": ["*"]}),
            1 => {
                json!({"host": host, "subsets": [{"name": "v0", "labels": {"version": "v0"}, "trafficPolicy": policy}]})
            }
            _ => {
                json!({"host": host, "workloadSelector": {"matchLabels": {"version": "v1"}},
                    "trafficPolicy": {"tls": {"mode": "SIMPLE", "credentialName": "c", "sni": "x"}}})
            }
        },
    )
}

fn route(i: usize) -> Value {
    let host = |n: usize| format!("s{n}.{}.svc.cluster.local", namespace(n));
    let to = json!([{"destination": {"host": host(i * 11)}}]);
    networking(
        "VirtualService",
        i,
        match i % 3 {
            0 => json!({"hosts": [host(i * 5)], "tcp": [{"route": to}], "exportTo": ["."]}),
            1 => {
                json!({"hosts": [host(i * 5)], "tcp": [{"match": [{"sourceLabels": {"version": "v0"}}], "route": to}]})
            }
            _ => {
                json!({"hosts": [host(i * 5 + 2)], "tls": [{"match": [{"sniHosts": [host(i * 5 + 2)],
                    "sourceNamespace": namespace(i + 1)}], "route": to}]})
            }
        },
    )
}

fn entry(i: usize) -> Value {
    let host = format!("db{i}.example.com");
    let ports = json!([{"number": 3306, "name": "tls", "protocol": if i.is_multiple_of(2) { "TLS" } else { "TCP" }}]);
    let address = json!([format!("240.0.{}.{}", i / 250, i % 250 + 1)]);
    networking(
        "ServiceEntry",
        i,
        match i % 4 {
            0 => {
                json!({"hosts": [host], "ports": ports, "resolution": "DNS", "location": "MESH_EXTERNAL"})
            }
            1 => {
                json!({"hosts": [host], "ports": ports, "addresses": address, "resolution": "STATIC",
                "endpoints": [{"address": format!("192.0.2.{}", i % 250 + 1)}]})
            }
            2 => {
                json!({"hosts": [host], "ports": ports, "addresses": address, "resolution": "NONE"})
            }
            _ => {
                json!({"hosts": ["shared.example.com"], "resolution": "DNS", "exportTo": ["*"],
                    "ports": [{"number": 3306 + i, "name": "tcp", "protocol": "TCP"}]})
            }
        },
    )
}

fn sidecar(i: usize) -> Value {
    networking(
        "Sidecar",
        i,
        json!({"egress": [{"hosts": ["./*", format!("{}/*", namespace(i + 1)), "istio-system/*"]}]}),
    )
}

fn peers(i: usize) -> Value {
    let spec = match i % 3 {
        0 => json!({"mtls": {"mode": "STRICT"}}),
        1 => json!({"mtls": {"mode": "DISABLE"}}),
        _ => {
            json!({"selector": {"matchLabels": {"version": "v0"}}, "mtls": {"mode": "DISABLE"}})
        }
    };
    security("PeerAuthentication", i, spec)
}

fn access(i: usize) -> Value {
    security(
        "AuthorizationPolicy",
        i,
        json!({"selector": {"matchLabels": {"app": format!("a{i}")}},
            "rules": [{"from": [{"source": {"namespaces": [namespace(i + 1)]}}]}]}),
    )
}

fn gateway() -> Vec<Value> {
    let server = json!({"port": {"number": 15443, "name": "tls", "protocol": "TLS"},
        "tls": {"mode": "MUTUAL", "credentialName": "cert"}, "hosts": ["*"]});
    let to = json!([{"destination": {"host": "s0.n0.svc.cluster.local"}}]);
    let mut secret = object("v1", "Secret", "istio-system", "cert", Value::Null);
    secret["data"] = json!({"tls.crt": "YQ==", "tls.key": "Yg==", "ca.crt": "Yw=="});
    vec![
        object(
            "networking.istio.io/v1",
            "Gateway",
            "istio-system",
            "in",
            json!({"selector": {"istio": "ingressgateway"}, "servers": [server]}),
        ),
        object(
            "networking.istio.io/v1",
            "VirtualService",
            "istio-system",
            "in",
            json!({"hosts": ["*"], "gateways": ["in"], "tcp": [{"match": [{"port": 15443}], "route": to}]}),
        ),
        secret,
    ]
}
