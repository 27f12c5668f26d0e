//! Everything that a real control plane pushes can be encoded, Istio's own filters and HTTP aside.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{fs, sync::Arc};

use meshproof_pocket_xds::{Ads, Snapshot};
use serde_json::Value;

const PROXIES: [&str; 4] = [
    "client-tutorial/proxy-mysql-client-1",
    "client-tutorial/proxy-istio-egressgateway",
    "server-tutorial/proxy-istio-ingressgateway",
    "server-tutorial/proxy-mysql-0",
];

#[test]
fn what_a_control_plane_pushes_can_be_encoded() {
    for proxy in PROXIES {
        let snapshot = pushed(proxy);
        assert!(!snapshot.clusters.is_empty() && !snapshot.listeners.is_empty());
        if let Err(error) = Ads::new().set(proxy, &snapshot) {
            panic!("{proxy}: {error}");
        }
    }
}

#[test]
fn without_leaving_istios_filters_out_the_first_is_named() {
    let mut snapshot = pushed(PROXIES[1]);
    let raw = read(PROXIES[1]);
    snapshot.listeners = list(&raw, "listeners");
    let error = Ads::new().set("egress", &snapshot).unwrap_err();
    insta::assert_snapshot!(error, @"listeners[0.0.0.0_15443].filter_chains[0].filters[0].typed_config.@type: unknown message type udpa.type.v1.TypedStruct");
}

fn pushed(proxy: &str) -> Snapshot {
    let mut raw = read(proxy);
    clean(&mut raw);
    Snapshot {
        listeners: list(&raw, "listeners"),
        clusters: list(&raw, "clusters"),
        endpoints: list(&raw, "endpoints"),
        secrets: Vec::new(),
    }
}

fn list(raw: &Value, kind: &str) -> Vec<Arc<Value>> {
    let all = raw[kind].as_array().unwrap().iter();
    all.cloned().map(Arc::new).collect()
}

fn read(proxy: &str) -> Value {
    let path = format!("{}/tests/data/{proxy}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Drops the filters that a stock Envoy does not have and those that speak HTTP.
fn clean(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.retain(|item| !foreign(item));
            items.iter_mut().for_each(clean);
        }
        Value::Object(object) => object.values_mut().for_each(clean),
        _ => {}
    }
}

fn foreign(item: &Value) -> bool {
    let Some(url) = item["typed_config"]["@type"].as_str() else {
        return false;
    };
    url.contains("istio")
        || url.ends_with(".TypedStruct")
        || url.ends_with(".HttpConnectionManager")
        || url.contains("stats.PluginConfig")
}
