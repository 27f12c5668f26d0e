//! Cluster files that are no good, and some that only look so.
#![allow(clippy::unwrap_used, missing_docs)]

use meshproof_mesh::{ClusterFile, MeshConfig};

const HEAD: &str =
    "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata:\n  name: a\nspec:\n";

/// Kind, line and error of each Istio object of a file.
fn read(text: &str) -> Result<Vec<(u64, String)>, String> {
    let file = ClusterFile::read("c.yaml", text).map_err(|e| e.to_string())?;
    let judged = file.judge(&MeshConfig::default());
    let lines = judged
        .into_iter()
        .map(|j| (j.line, j.answer.error.unwrap_or_default()));
    Ok(lines.collect())
}

#[track_caller]
fn refused(text: &str, want: &str) {
    assert_eq!(read(text).unwrap_err(), want);
}

/// That the one object of the file is read, and says this.
#[track_caller]
fn says(text: &str, want: &str) {
    let found = read(text).unwrap();
    assert!(
        found.len() == 1 && found[0].1.contains(want),
        "{want}: {found:?}"
    );
}

#[test]
fn what_is_no_yaml() {
    let twice = format!("{HEAD}  servers: []\n  servers: []\n");
    refused(&twice, "c.yaml:7:3: duplicate mapping key: servers");
    refused(
        &format!("---\n{HEAD}  servers: []\n---\n{twice}"),
        "c.yaml:15:3: duplicate mapping key: servers",
    );
    refused(
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","name":"b"}}"#,
        "c.yaml:1:56: duplicate mapping key: name",
    );
    refused(
        &format!("{HEAD}\tservers: []\n"),
        "c.yaml:6:2: tabs disallowed within this context (block indentation)",
    );
    refused(
        &format!("{HEAD}  selector: &a {{}}\n---\n{HEAD}  selector: *a\n"),
        "c.yaml:13:13: alias references unknown anchor",
    );
    refused(
        &format!("{HEAD}  servers: []\n...\n{HEAD}"),
        "c.yaml:8:1: a second document begins here: put `---` between them",
    );
    refused(
        &format!("{HEAD}  selector: {{a: \"\u{0}\"}}\n"),
        "c.yaml:6:18: unexpected character: `\\u{0}'",
    );
}

/// Neither the stack nor the memory is a limit that a file may find.
#[test]
fn what_is_too_deep_or_too_large() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let deep = format!(
            "{HEAD}  x: {}1{}\n",
            open.repeat(100_000),
            close.repeat(100_000)
        );
        let error = read(&deep).unwrap_err();
        assert!(error.starts_with("c.yaml:6:"), "{error}");
        assert!(
            error.ends_with("nested too deep: no Kubernetes object is"),
            "{error}"
        );
    }
    let steps: Vec<String> = (2..3_000).map(|i| " ".repeat(i) + "a:\n").collect();
    let error = read(&format!("{HEAD}{}", steps.concat())).unwrap_err();
    assert!(
        error.ends_with("nested too deep: no Kubernetes object is"),
        "{error}"
    );
    let bomb = (1..9).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, i| {
        let last = format!("*a{},", i - 1).repeat(9);
        format!("{text}a{i}: &a{i} [{last}]\n")
    });
    let error = read(&bomb).unwrap_err();
    assert!(error.contains("too large for one document"), "{error}");
}

#[test]
fn numbers_that_no_json_has() {
    for number in [".inf", "-.inf", ".nan", "1e400"] {
        let text = format!("{HEAD}  servers: [{{port: {{number: {number}}}}}]\n");
        let error = read(&text).unwrap_err();
        assert!(error.starts_with("c.yaml:6:29: non-finite"), "{error}");
    }
    says(
        &format!("{HEAD}  servers: [{{port: {{number: 99999999999999999999999}}}}]\n"),
        "spec.servers[0].port.number: Invalid value",
    );
    let error = read(&format!("{HEAD}  selector: {{~: a}}\n")).unwrap_err();
    assert!(error.starts_with("c.yaml:6:14: "), "{error}");
}

#[test]
fn what_is_no_object() {
    for text in ["hello\n", "3\n", "[1]\n", "a: b\n"] {
        refused(
            text,
            "c.yaml:1:1: not a Kubernetes object: apiVersion is missing",
        );
    }
    let pod = |meta: &str| format!("\n# a pod\napiVersion: v1\nkind: Pod\nmetadata: {meta}\n");
    for meta in ["a", "{name: 3}", "{name: \"\"}", "[]"] {
        refused(
            &pod(meta),
            "c.yaml:3:1: not a Kubernetes object: metadata.name is missing",
        );
    }
    refused(
        "apiVersion: v1\nkind: List\nitems: 3\n",
        "c.yaml:1:1: a List without items",
    );
    let secret =
        |more: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\n{more}\n");
    refused(
        &secret("data: 3\nstringData: {a: b}"),
        "c.yaml:1:1: data of a Secret must be an object",
    );
    refused(
        &secret("stringData: {a: 3}"),
        "c.yaml:1:1: stringData.a of a Secret must be a string",
    );
}

#[test]
fn what_only_looks_odd() {
    let none = "gateway must have at least one server";
    says(&format!("\u{feff}{HEAD}"), none);
    says(&HEAD.replace('\n', "\r\n"), none);
    says(
        &format!("{HEAD}  selector: &a {{x: z}}\n  servers: []\n"),
        none,
    );
    says(&format!("{HEAD}  selector: {{1: a}}\n"), none);
    says(&format!("{HEAD}  selector: {{a: !!str true}}\n"), none);
    says(
        &format!("{HEAD}  selector: {{a: true}}\n"),
        "spec.selector.a: Invalid value: \"boolean\"",
    );
    // A line of dashes inside a text begins no document.
    let text =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: |\n    ---\n    b\n";
    let found = read(&format!("{text}--- # next\n{HEAD}---\n\n{HEAD}")).unwrap();
    assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [9, 16]);
}

#[test]
fn fifty_megabytes() {
    let line = format!("    {}\n", "x".repeat(95));
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  a: |\n{}---\n{HEAD}",
        line.repeat(500_000)
    );
    assert!(text.len() > 50_000_000);
    assert_eq!(read(&text).unwrap()[0].0, 500_007);
}
