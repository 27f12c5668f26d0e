//! Faults in what the clusters' programs are: Envoy that is not there, no program, or too old.

use std::path::PathBuf;
use std::process::Command;

use crate::bench::{Bench, end, meshproof};

/// Writes what `MESHPROOF_ENVOY` is to name. A shell does it: a file that this process had open for
/// writing when another test started a program cannot be executed until that program has begun.
fn envoy(bench: &Bench, text: &str, mode: &str) -> PathBuf {
    let path = bench.path("envoy");
    let script = r#"printf %s "$1" > "$2" && chmod "$3" "$2""#;
    let written = Command::new("sh")
        .args(["-c", script, "sh", text])
        .arg(&path)
        .arg(mode)
        .status()
        .unwrap();
    assert!(written.success());
    path
}

/// Runs with that Envoy, which must be refused with all of `parts` in the message and in the reports.
fn refused(bench: &Bench, envoy: &PathBuf, parts: &[&str]) {
    let ended = end(bench.command().env("MESHPROOF_ENVOY", envoy));
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    let problem = &bench.record().problems[0];
    assert_eq!(problem.during, "finding the toolchain");
    for part in parts.iter().copied().chain(envoy.to_str()) {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
        assert!(problem.message.contains(part), "{part}: {problem:?}");
    }
    assert!(bench.junit().contains(r#"errors="1""#), "{}", bench.junit());
}

#[test]
fn an_envoy_that_is_not_there_is_refused() {
    let bench = Bench::new();
    let nowhere = bench.path("nowhere");
    refused(&bench, &nowhere, &["MESHPROOF_ENVOY", "does not exist"]);
}

#[test]
fn an_envoy_that_may_not_be_executed_is_refused() {
    let bench = Bench::new();
    let text = envoy(&bench, "no program\n", "644");
    refused(&bench, &text, &["not executable", "chmod +x"]);
}

#[test]
fn a_file_that_is_no_program_is_refused() {
    let bench = Bench::new();
    let text = envoy(&bench, "\u{7f}no program\n", "755");
    refused(&bench, &text, &["cannot be run", "wrong format"]);
}

#[test]
fn another_program_in_the_place_of_envoy_is_refused() {
    let bench = Bench::new();
    let other = envoy(&bench, "#!/bin/sh\necho some other program 1.2\n", "755");
    refused(
        &bench,
        &other,
        &["another program", "some other program 1.2"],
    );
}

#[test]
fn an_old_envoy_is_refused_unless_any_is_accepted() {
    let bench = Bench::new();
    let script = "#!/bin/sh\necho 'envoy  version: x/1.30.0/Clean/RELEASE/BoringSSL'\n";
    let old = envoy(&bench, script, "755");
    refused(
        &bench,
        &old,
        &["1.30.0", "accepted range 1.", "--any-envoy"],
    );
    let mut command = meshproof();
    command.args(["toolchain", "--any-envoy"]);
    let ended = end(command.env("MESHPROOF_ENVOY", &old));
    assert!(!ended.stderr.contains("accepted range"), "{}", ended.stderr);
    if ended.code == 0 {
        assert!(ended.stdout.contains("1.30.0"), "{}", ended.stdout);
    }
}
