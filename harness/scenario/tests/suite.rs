//! What the suite of scenarios amounts to: it must not shrink, and no case may be without teeth.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use meshproof_scenario::{At, Case, Scenario, load};

/// The tutorial's own scenario: its cases stand for themselves.
const TUTORIAL: &str = "mysql-mtls";

fn suite() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    let load = |path: &PathBuf| match load(path) {
        Ok(loaded) => loaded.scenario,
        Err(error) => panic!("{}", error.render()),
    };
    files.iter().map(load).collect()
}

fn cases(suite: &[Scenario]) -> impl Iterator<Item = &At<Case>> {
    suite.iter().flat_map(|scenario| scenario.cases.iter())
}

#[test]
fn every_case_can_be_sabotaged() {
    let without: Vec<String> = suite()
        .iter()
        .filter(|scenario| *scenario.metadata.name != TUTORIAL)
        .flat_map(|scenario| {
            let toothless = scenario.cases.iter().filter(|case| case.sabotage.is_none());
            toothless.map(|case| format!("{}::{}", scenario.metadata.name, case.name))
        })
        .collect();
    assert!(without.is_empty(), "no sabotage: {}", without.join(", "));
}

#[test]
fn the_suite_is_as_wide_as_it_was() {
    let suite = suite();
    let count = cases(&suite).count();
    assert!(count >= 60, "{count} cases");
    let negatives = cases(&suite).filter(|case| case.is_negative()).count();
    assert!(negatives >= 45, "{negatives} negative cases");
}

/// The same refusal on TLS 1.2 and on 1.3 is one.
#[test]
fn enough_refusals_differ() {
    let suite = suite();
    let refusals: BTreeSet<(String, String)> = cases(&suite)
        .filter(|case| case.is_negative())
        .filter_map(|case| {
            let (hop, cause) = (case.expect.hop.as_ref()?, case.expect.cause.as_ref()?);
            Some((hop.to_string(), cause.to_string()))
        })
        .collect();
    assert!(refusals.len() >= 45, "{}: {refusals:?}", refusals.len());
}
