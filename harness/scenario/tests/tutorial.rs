//! The scenario of this repository, as it is loaded, bound and put in order.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use meshproof_scenario::{AddressOf, Loaded, Side, load, plan_order, substitute};

fn tutorial() -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/mysql-mtls.yaml");
    load(&path).unwrap_or_else(|errors| panic!("{}", errors.render()))
}

fn bindings(loaded: &Loaded) -> meshproof_scenario::Bindings {
    let found = BTreeMap::from([("INGRESS_HOST".to_owned(), "203.0.113.10".to_owned())]);
    loaded.scenario.resolve(&found).unwrap()
}

#[test]
fn bindings_reach_every_text() {
    let loaded = tutorial();
    let lookups: Vec<_> = loaded
        .scenario
        .lookups()
        .map(|(name, whose, lookup)| (name, whose, lookup.cluster))
        .collect();
    assert_eq!(
        lookups,
        [("INGRESS_HOST", AddressOf::LoadBalancer, Side::Server)]
    );
    let bound = loaded
        .scenario
        .bind(&loaded.source, &bindings(&loaded))
        .unwrap();
    let debug = format!(
        "{:?} {:?} {:?} {:?}",
        bound.certificates, bound.clusters, bound.database, bound.cases
    );
    assert!(!debug.contains("${"), "{debug}");
    let target = bound.cases[0].target().unwrap();
    assert_eq!(
        (target.host.as_str(), target.port),
        ("203.0.113.10.nip.io", 3306)
    );
    assert_eq!(bound.cases[0].line(), loaded.scenario.cases[0].line());
    assert_eq!(
        bound.cases[0].expect.path[1]
            .upstream
            .as_ref()
            .unwrap()
            .value,
        "203.0.113.10:13306"
    );
}

#[test]
fn manifests_and_patches_come_out_without_references() {
    let loaded = tutorial();
    let bindings = bindings(&loaded);
    let all: BTreeMap<&str, String> = loaded
        .files
        .iter()
        .map(|(path, source)| {
            (
                path.rsplit('/').next().unwrap(),
                substitute(source, &bindings).unwrap(),
            )
        })
        .collect();
    assert_eq!(all.len(), 12);
    assert!(all.values().all(|text| !text.contains("${")));
    assert!(all["gateway-mysql.yaml"].contains("    - 203.0.113.10.nip.io\n"));
    for json in ["egress-service-port.json", "ingress-service-port.json"] {
        serde_json::from_str::<Vec<BTreeMap<String, serde_json::Value>>>(&all[json]).unwrap();
    }
}

#[test]
fn the_access_log_format_ends_its_lines() {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Mesh {
        access_log_format: String,
    }
    let loaded = tutorial();
    let source = loaded.file("../fixtures/istio/mesh-config.yaml").unwrap();
    let mesh: Mesh = serde_saphyr::from_str(&source.text).unwrap();
    assert!(
        mesh.access_log_format
            .ends_with("%DOWNSTREAM_PEER_FINGERPRINT_256%\n")
    );
    assert_eq!(mesh.access_log_format.lines().count(), 1);
}

#[test]
fn a_lookup_without_an_answer_is_told() {
    let error = tutorial().scenario.resolve(&BTreeMap::new()).unwrap_err();
    insta::assert_snapshot!(error, @"resolving binding `INGRESS_HOST`: the address of Service istio-system/istio-ingressgateway in cluster server was not looked up");
}

#[test]
fn a_value_that_makes_no_target_is_told_with_the_value() {
    let loaded = tutorial();
    let found = BTreeMap::from([("INGRESS_HOST".to_owned(), "not an address".to_owned())]);
    let bindings = loaded.scenario.resolve(&found).unwrap();
    let error = loaded.scenario.bind(&loaded.source, &bindings).unwrap_err();
    assert!(error.to_string().contains(
        "invalid target `${SERVICE_URL}:3306`, which is `not an address.nip.io:3306` here: \
         the host is no name and no address; expected host:port, as in db.example:3306"
    ));
}

#[test]
fn cases_run_in_the_order_of_the_file() {
    assert_eq!(plan_order(&tutorial().scenario), [0, 1, 2]);
}

/// The schema that editors use. `MESHPROOF_UPDATE_SCHEMA=1 cargo test -p meshproof-scenario` writes it.
#[test]
fn the_schema_in_the_repository_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/scenario.schema.json");
    let schema = meshproof_scenario::json_schema().unwrap();
    if std::env::var_os("MESHPROOF_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == schema,
        "scenarios/scenario.schema.json is stale; run the tests with MESHPROOF_UPDATE_SCHEMA=1"
    );
}
