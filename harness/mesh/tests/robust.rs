//! Whatever is in an object, admission and compiling say something and never panic.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{fs, path::Path, sync::Arc};

use meshproof_mesh::{ClusterFile, ClusterFileError, MeshConfig, Objects, admit, compile};
use proptest::prelude::*;
use serde_json::{Value, json};

fn objects_of(case: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/oracle/cases")
        .join(case)
        .join("cluster.yaml");
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_multiple::<Value>(&text).unwrap()
}

/// Every place in a value, as JSON pointers.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                places(
                    inner,
                    &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        Value::Array(values) => {
            for (index, inner) in values.iter().enumerate() {
                places(inner, &format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!([null])),
        Just(json!([{}])),
        Just(json!({"": ""})),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[*./~:a-z0-9-]{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "*",
            ".",
            "0s",
            "-1s",
            "mesh",
            "default/x",
            "STRICT",
            "TLS",
            "ISTIO_MUTUAL",
            "0.0.0.0/0"
        ])
        .prop_map(Value::from),
        Just(Value::from("x".repeat(70_000))),
    ]
}

/// Any JSON, with names of Istio's among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        ".{0,6}",
        prop::sample::select(vec![
            "spec",
            "servers",
            "port",
            "number",
            "hosts",
            "tls",
            "tcp",
            "match",
            "route",
            "destination",
            "host",
            "selector",
            "matchLabels",
            "rules",
            "from",
            "source",
            "endpoints",
            "ports",
            "name",
            "trafficPolicy",
            "portLevelSettings",
            "connectionPool",
            "subsets",
            "labels",
            "egress",
        ])
        .prop_map(str::to_owned),
    ];
    odd_value().prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A kind with its version.
const KINDS: &[(&str, &str)] = &[
    ("Gateway", "networking.istio.io/v1"),
    ("VirtualService", "networking.istio.io/v1alpha3"),
    ("ServiceEntry", "networking.istio.io/v1beta1"),
    ("DestinationRule", "networking.istio.io/v1"),
    ("Sidecar", "networking.istio.io/v1"),
    ("PeerAuthentication", "security.istio.io/v1"),
    ("AuthorizationPolicy", "security.istio.io/v1"),
    ("Telemetry", "telemetry.istio.io/v1"),
    ("WorkloadEntry", "networking.istio.io/v1"),
    ("Pod", "v1"),
    ("Service", "v1"),
    ("Secret", "v1"),
    ("EndpointSlice", "discovery.k8s.io/v1"),
    ("", ""),
];

/// Admits and compiles without a panic; every refusal says something.
fn survives(objects: Vec<Value>) -> Result<(), TestCaseError> {
    let mesh = Arc::new(MeshConfig::default());
    for object in &objects {
        let answer = admit(object, &mesh);
        prop_assert!(answer.error.is_none_or(|e| !e.is_empty()));
    }
    let snapshot = Objects::new(mesh, objects.into_iter().map(Arc::new));
    for proxy in snapshot.proxies() {
        compile(&snapshot, &proxy);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_objects_never_panic(
        case in prop::sample::select(vec![
            "client-tutorial", "server-tutorial", "client-rejected", "client-passthrough", "client-weighted",
            "server-ingress-policy", "server-allow-principal", "server-disable-port", "server-telemetry-off",
            "client-idle-timeout", "client-address", "server-crl",
        ]),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), odd_value()), 1..6),
    ) {
        let mesh = Arc::new(MeshConfig::from_yaml("accessLogFile: /dev/stdout").unwrap());
        let mut objects = objects_of(case);
        for (object, place, value) in mutations {
            let object = object.get(&objects).clone();
            let index = objects.iter().position(|o| *o == object).unwrap();
            let mut all = Vec::new();
            places(&object, "", &mut all);
            let place = place.get(&all);
            if let Some(target) = objects[index].pointer_mut(place) {
                *target = value;
            }
        }
        for object in &objects {
            let answer = admit(object, &mesh);
            prop_assert!(answer.error.is_none_or(|e| !e.is_empty()));
        }
        let snapshot = Objects::new(mesh, objects.into_iter().map(Arc::new));
        for proxy in snapshot.proxies() {
            let config = compile(&snapshot, &proxy);
            for list in [&config.listeners, &config.clusters] {
                let mut names: Vec<&str> = list.iter().map(|r| r["name"].as_str().unwrap()).collect();
                names.sort_unstable();
                let count = names.len();
                names.dedup();
                prop_assert_eq!(count, names.len(), "names are unique");
            }
        }
    }

    #[test]
    fn mesh_configurations_never_panic(field in "[a-zA-Z.]{0,16}", value in odd_value()) {
        let text = json!({ (field): value }).to_string();
        let _ = MeshConfig::from_yaml(&text);
        let _ = MeshConfig::from_yaml(&text[1..]);
    }

    #[test]
    fn any_spec_of_any_kind_is_survived((kind, version) in prop::sample::select(KINDS), spec in any_json(), meta in any_json()) {
        let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": "default"}, "spec": spec});
        let other = json!({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec, "data": spec, "status": meta});
        let mut objects = objects_of("client-tutorial");
        objects.extend([object, other, spec]);
        survives(objects)?;
    }

    #[test]
    fn any_text_is_read_or_refused_with_its_place(text in "(?s)([a-z:\\[\\]{}&*!|>'\"#,.~?\\-\n\t ]|---\n|apiVersion: v1\n|kind: Pod\n|metadata: \\{name: a\\}\n|.){0,60}") {
        match ClusterFile::read("c.yaml", &text) {
            Err(ClusterFileError::Yaml { line, column, message, .. }) => {
                prop_assert!(line > 0 && column > 0 && !message.is_empty());
                prop_assert!(line <= text.lines().count() as u64 + 1, "{line}: {text:?}");
            }
            Err(other) => prop_assert!(false, "{other}"),
            Ok(file) => drop(file.compile(MeshConfig::default())),
        }
    }
}
