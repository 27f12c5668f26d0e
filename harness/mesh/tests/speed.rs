//! How long compiling takes. Printed, not asserted; meaningful with `--release -- --nocapture`.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{fs, path::Path, sync::Arc, time::Instant};

use meshproof_mesh::{MeshConfig, Objects, ProxyId, compile};
use serde_json::{Value, json};

fn tutorial(case: &str) -> Vec<Arc<Value>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/oracle/cases")
        .join(case)
        .join("cluster.yaml");
    let objects = serde_saphyr::from_multiple::<Value>(&fs::read_to_string(path).unwrap()).unwrap();
    objects.into_iter().map(Arc::new).collect()
}

fn mesh() -> Arc<MeshConfig> {
    Arc::new(MeshConfig::from_yaml("accessLogFile: /dev/stdout").unwrap())
}

#[test]
fn tutorial_proxies() {
    for case in ["client-tutorial", "server-tutorial"] {
        let objects = tutorial(case);
        let start = Instant::now();
        let snapshot = Objects::new(mesh(), objects.clone());
        println!("{case}: snapshot in {:?}", start.elapsed());
        for proxy in snapshot.proxies() {
            let rounds = 100;
            let start = Instant::now();
            for _ in 0..rounds {
                assert!(!compile(&snapshot, &proxy).clusters.is_empty());
            }
            println!("{case}: {proxy} in {:?}", start.elapsed() / rounds);
        }
    }
}

#[test]
fn many_services() {
    let mut objects = Vec::new();
    for i in 0..1000_u32 {
        objects.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": format!("s{i}"), "namespace": "default"},
            "spec": {"clusterIP": format!("10.96.{}.{}", i / 250, i % 250 + 1), "selector": {"app": format!("s{}", i % 200)},
                     "ports": [{"port": 3306, "protocol": "TCP"}]}}));
    }
    for i in 0..200_u32 {
        objects.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{i}"), "namespace": "default",
            "labels": {"app": format!("s{i}"), "security.istio.io/tlsMode": "istio"}},
            "spec": {"containers": [{"name": "istio-proxy", "args": ["proxy", "sidecar"]}]},
            "status": {"podIP": format!("10.1.0.{i}")}}));
    }
    let rounds = if cfg!(debug_assertions) { 2 } else { 200 };
    let start = Instant::now();
    let snapshot = Objects::new(mesh(), objects.into_iter().map(Arc::new));
    println!("1000 services: snapshot in {:?}", start.elapsed());
    let start = Instant::now();
    for i in 0..rounds {
        let proxy = ProxyId {
            namespace: "default".into(),
            name: format!("p{i}"),
        };
        assert_eq!(compile(&snapshot, &proxy).endpoints.len(), 1000);
    }
    println!("1000 services: {rounds} proxies in {:?}", start.elapsed());
}
