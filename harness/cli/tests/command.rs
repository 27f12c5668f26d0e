//! The command from outside: exit codes, messages, and reports, without clusters.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn meshproof(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meshproof"))
        .args(arguments)
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The tutorial's scenario with one piece of its text replaced, its manifests named absolutely.
fn changed(folder: &Path, from: &str, to: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    let text = fs::read_to_string(root.join("scenarios/mysql-mtls.yaml")).unwrap();
    assert!(text.contains(from), "the scenario has no {from:?}");
    let text = text
        .replacen(from, to, 1)
        .replace("../fixtures", root.join("fixtures").to_str().unwrap());
    let path = folder.join("changed.yaml");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn wrong_arguments_are_bad_input() {
    for arguments in [
        &["bogus"][..],
        &["run", "--case", "("],
        &["run", "--on", "moon"],
        &["mesh", "compile"],
        &[],
    ] {
        let output = meshproof(arguments);
        assert_eq!(code(&output), 3, "{arguments:?}: {}", stderr(&output));
        assert!(stdout(&output).is_empty(), "{arguments:?}");
    }
}

/// Under another name it is the prober: a request that is none has the prober's exit code and words.
#[test]
fn under_its_name_the_prober_answers() {
    let output = Command::new(env!("CARGO_BIN_EXE_meshproof"))
        .arg0(meshproof_probe::COMMAND)
        .arg("connect")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(code(&output), 2);
    let said = stderr(&output);
    assert!(
        said.starts_with("meshproof-probe: the request is not valid"),
        "{said}"
    );
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [&["--help"][..], &["--version"], &["run", "--help"]] {
        assert_eq!(code(&meshproof(arguments)), 0, "{arguments:?}");
    }
}

#[test]
fn a_provider_that_is_not_built_says_so() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().to_str().unwrap();
    let output = meshproof(&["run", "--on", "kind", "--out", out]);
    assert_eq!(code(&output), 3);
    let said = stderr(&output);
    assert!(said.contains("not built yet in this version"), "{said}");
}

#[test]
fn options_for_other_clusters_are_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    for command in [&["run", "--out", out][..], &["doctor"]] {
        let output = meshproof(&[command, &["--client-context", "a"]].concat());
        assert_eq!(code(&output), 3);
        let said = stderr(&output);
        assert!(
            said.contains("--client-context goes with --on contexts"),
            "{said}"
        );
    }
}

#[test]
fn contexts_that_were_not_named_are_told_in_the_reports_too() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let none = folder.path().join("none");
    let output = Command::new(env!("CARGO_BIN_EXE_meshproof"))
        .args(["run", "--on", "contexts", "--out", out])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .env("KUBECONFIG", &none)
        .output()
        .unwrap();
    let said = stderr(&output);
    assert_eq!(code(&output), 3, "{said}");
    let wanted = format!("no kubeconfig: looked at {}", none.display());
    assert!(said.contains(&wanted), "{said}");
    let record = fs::read_to_string(folder.path().join("latest/run.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["findings"][0]["state"], "missing");
    assert_eq!(record["findings"][0]["point"], "kubeconfig");
}

#[test]
fn an_unknown_key_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = changed(
        folder.path(),
        "    control: sql-crosses",
        "    contrl: sql-crosses",
    );
    for command in ["lint", "list", "plan"] {
        let output = meshproof(&[command, file.to_str().unwrap()]);
        let error = stderr(&output);
        assert_eq!(code(&output), 3, "{command}: {error}");
        assert!(
            error.contains("contrl") && error.contains("^^^") && error.contains("changed.yaml:"),
            "{error}"
        );
    }
}

#[test]
fn bad_input_of_a_run_is_in_its_reports() {
    let folder = tempfile::tempdir().unwrap();
    let file = changed(folder.path(), "kind: Scenario", "kind: Senario");
    let output = meshproof(&[
        "run",
        file.to_str().unwrap(),
        "--out",
        folder.path().to_str().unwrap(),
    ]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    let junit = fs::read_to_string(folder.path().join("latest/junit.xml")).unwrap();
    assert!(
        junit.contains(r#"errors="1""#) && junit.contains("Senario"),
        "{junit}"
    );
    assert!(folder.path().join("latest/run.json").exists());
}

#[test]
fn two_scenarios_of_one_name_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let one = changed(folder.path(), "kind: Scenario", "kind: Scenario");
    fs::copy(&one, folder.path().join("again.yaml")).unwrap();
    let output = meshproof(&["list", folder.path().to_str().unwrap()]);
    assert_eq!(code(&output), 3);
    assert!(
        stderr(&output).contains("two scenarios are called `mysql-mtls`"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_folder_without_scenarios_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = meshproof(&["lint", folder.path().to_str().unwrap()]);
    assert_eq!(code(&output), 3);
    assert!(
        stderr(&output).contains("no .yaml or .yml file"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn cases_are_listed_one_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = changed(folder.path(), "kind: Scenario", "kind: Scenario");
    let output = meshproof(&["list", file.to_str().unwrap()]);
    assert_eq!(code(&output), 0);
    assert!(
        stdout(&output)
            .lines()
            .all(|line| line.starts_with("mysql-mtls::")),
        "{}",
        stdout(&output)
    );
    assert!(stdout(&output).lines().count() >= 3);
}

#[test]
fn a_cluster_file_that_is_not_there_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let output = meshproof(&[
        "mesh",
        "compile",
        "/no/such.yaml",
        "--mesh-config",
        "/no/mesh.yaml",
        "--out",
        out,
    ]);
    assert_eq!(code(&output), 3);
    assert!(
        stderr(&output).contains("/no/such.yaml"),
        "{}",
        stderr(&output)
    );
}

/// Runs `mesh compile` over a cluster file of this text: the output, the file's name, and `admission.json`.
fn mesh_compile(text: &[u8]) -> (Output, String, Option<serde_json::Value>) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (cluster, mesh) = (path("cluster.yaml"), path("mesh.yaml"));
    std::fs::write(&cluster, text).unwrap();
    std::fs::write(&mesh, "").unwrap();
    let output = meshproof(&[
        "mesh",
        "compile",
        &cluster,
        "--mesh-config",
        &mesh,
        "--out",
        &path("out"),
    ]);
    let judged = std::fs::read_to_string(path("out/admission.json")).ok();
    let judged = judged.map(|text| serde_json::from_str(&text).unwrap());
    (output, cluster, judged)
}

#[test]
fn objects_that_admission_refuses_are_said_and_the_others_compiled() {
    let good = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: s, namespace: d}\nspec: {egress: [{hosts: ['*/*', 'a/b.c']}]}\n";
    let bad = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: d}\nspec:\n  servers: [{prot: 1}]\n";
    let (output, file, judged) = mesh_compile(format!("{good}---\n# one\n{bad}").as_bytes());
    let said = stderr(&output);
    assert_eq!(code(&output), 0, "{said}");
    for text in [
        "warning: Sidecar d/s: `*/*` host select all resources".to_owned(),
        format!("--> {file}:1:1"),
        "refused: Gateway d/g: Gateway in version \"v1\"".to_owned(),
        "unknown field \"spec.servers[0].prot\"".to_owned(),
        format!("--> {file}:7:1"),
    ] {
        assert!(said.contains(&text), "{text}\n{said}");
    }
    let judged = judged.unwrap();
    assert_eq!(judged.as_array().unwrap().len(), 2);
    // The artefact has the webhook's words, also where the API server would not have come to ask it.
    let webhook = judged[1]["error"].as_str().unwrap();
    assert!(webhook.contains("* port is required"), "{webhook}");
}

#[test]
fn a_cluster_file_that_cannot_be_read_is_bad_input_with_its_place() {
    for (text, place) in [
        (&b"apiVersion: v1\nkind: Pod\nkind: Pod\n"[..], ":3:1"),
        (b"apiVersion: v1\nkind: [\n", ":2:7"),
        (b"apiVersion: v1\nkind: \xff\n", ":2: not UTF-8"),
    ] {
        let (output, file, judged) = mesh_compile(text);
        let said = stderr(&output);
        assert_eq!(code(&output), 3, "{said}");
        assert!(said.contains(&format!("{file}{place}")), "{place}\n{said}");
        assert_eq!(judged, None);
    }
}
