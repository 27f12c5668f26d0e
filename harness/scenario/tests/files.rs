//! Files that a scenario names, and the order of cases.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use meshproof_scenario::{Source, load, parse, plan_order};

const BASE: &str = include_str!("base.yaml");

/// A folder with the scenario and the files that it names.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("small.yaml"), BASE).unwrap();
    fs::write(
        folder.path().join("mesh.yaml"),
        "accessLogFile: /dev/stdout\n",
    )
    .unwrap();
    fs::write(folder.path().join("port.json"), "[]\n").unwrap();
    fs::write(folder.path().join("gateway.yaml"), "host: ${SERVICE_URL}\n").unwrap();
    folder
}

/// What loading tells, with the folder's name taken out.
fn told(folder: &Path) -> String {
    let error = load(&folder.join("small.yaml")).unwrap_err();
    error
        .render()
        .replace(&folder.display().to_string(), "FOLDER")
}

#[test]
fn each_named_file_is_read_once() {
    let folder = folder();
    let loaded = load(&folder.path().join("small.yaml")).unwrap();
    assert_eq!(
        loaded.files.keys().collect::<Vec<_>>(),
        ["mesh.yaml", "port.json", "gateway.yaml"]
    );
    assert_eq!(
        loaded.file("gateway.yaml").unwrap().text,
        "host: ${SERVICE_URL}\n"
    );
}

#[test]
fn a_missing_manifest_is_told_at_its_entry() {
    let folder = folder();
    fs::remove_file(folder.path().join("gateway.yaml")).unwrap();
    insta::assert_snapshot!(told(folder.path()));
}

#[test]
fn a_missing_scenario_is_told() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(told(folder.path()));
}

#[test]
fn a_folder_and_a_binary_file_are_told() {
    let folder = folder();
    fs::write(folder.path().join("gateway.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    fs::remove_file(folder.path().join("port.json")).unwrap();
    fs::create_dir(folder.path().join("port.json")).unwrap();
    insta::assert_snapshot!(told(folder.path()));
}

#[test]
fn undefined_bindings_in_manifests_are_told_where_they_stand() {
    let folder = folder();
    fs::write(
        folder.path().join("gateway.yaml"),
        "a: é ${SERVICE_URI}\nb: $${KEPT} ${\n",
    )
    .unwrap();
    insta::assert_snapshot!(told(folder.path()));
}

#[test]
fn a_binding_in_a_mesh_configuration_is_told() {
    let folder = folder();
    fs::write(
        folder.path().join("mesh.yaml"),
        "accessLogFile: ${SERVICE_URL}\n",
    )
    .unwrap();
    insta::assert_snapshot!(told(folder.path()));
}

#[test]
fn controls_come_before_their_negatives_and_all_else_keeps_its_order() {
    let (head, cases) = BASE.split_once("cases:\n").unwrap();
    let (positive, negative) = cases.split_once("  - name: refused").unwrap();
    let negative = format!("  - name: refused{negative}");
    let other = positive.replace("arrives", "other");
    let text = format!(
        "{head}cases:\n{negative}{other}{positive}{}",
        negative.replace("refused\n    from", "again\n    from")
    );
    let scenario = parse(&Source::new("x", text)).unwrap();
    let names: Vec<&str> = plan_order(&scenario)
        .into_iter()
        .map(|case| scenario.cases[case].name.as_str())
        .collect();
    assert_eq!(names, ["arrives", "refused", "other", "again"]);
}
