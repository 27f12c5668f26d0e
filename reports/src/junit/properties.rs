//! The `<properties>` of suites and cases, in the record's own words.

use meshproof_record::{CaseRecord, Hop, RunRecord, ScenarioRecord, word};

type Properties = Vec<(String, String)>;

/// Facts of the run that every suite carries.
pub(super) fn of_run(record: &RunRecord) -> Properties {
    let mut all = Vec::new();
    push(&mut all, "run", &record.run_id);
    push(&mut all, "meshproof", &record.tool.version);
    push(&mut all, "provider", &record.provider);
    if let Some(commit) = &record.tool.commit {
        push(&mut all, "commit", commit);
    }
    for (name, version) in &record.versions {
        push(&mut all, &format!("version.{name}"), version);
    }
    all
}

/// Facts of one scenario.
pub(super) fn of_scenario(record: &RunRecord, scenario: &ScenarioRecord) -> Properties {
    let mut all = of_run(record);
    if let Some(description) = &scenario.description {
        push(&mut all, "description", description);
    }
    if !scenario.labels.is_empty() {
        push(&mut all, "labels", &scenario.labels.join(", "));
    }
    all
}

/// Facts of one case: what was expected of whom, and what was observed.
pub(super) fn of_case(case: &CaseRecord) -> Properties {
    let mut all = Vec::new();
    if let Some(description) = &case.description {
        push(&mut all, "requirement", description);
    }
    push(&mut all, "source", &case.source);
    push(&mut all, "target", &case.target);
    push(&mut all, "speaks", &case.speaks);
    if let Some(control) = &case.control {
        push(&mut all, "control", control);
    }
    push(
        &mut all,
        "expected.outcome",
        &word(case.expectation.outcome),
    );
    if let Some(hop) = case.expectation.hop {
        push(&mut all, "expected.hop", &word(hop));
    }
    if let Some(cause) = case.expectation.cause {
        push(&mut all, "expected.cause", &word(cause));
    }
    if let Some(observed) = &case.verdict.observed {
        push(&mut all, "observed.outcome", &word(observed.outcome));
        push(&mut all, "observed.hop", &word(observed.hop));
        push(&mut all, "observed.cause", &word(observed.cause));
    }
    of_evidence(case, &mut all);
    all
}

fn of_evidence(case: &CaseRecord, all: &mut Properties) {
    let clusters = clusters(case);
    if !clusters.is_empty() {
        push(all, "clusters", &clusters.join(", "));
    }
    for (hop, logs) in &case.evidence.logs {
        push(all, &format!("proxy.{}", word(hop)), &logs.pod);
    }
    for hold in &case.evidence.holds {
        push(all, "hold", &format!("{} ms: {}", hold.ms, hold.what));
    }
    for missing in &case.evidence.missing {
        push(
            all,
            "missing",
            &format!("{}: {}", missing.source, missing.why),
        );
    }
}

/// The clusters that evidence came from, known by the hops that stand in each.
fn clusters(case: &CaseRecord) -> Vec<&'static str> {
    let evidence = &case.evidence;
    let hops = || evidence.logs.keys();
    let client = evidence.client.is_some()
        || hops().any(|hop| matches!(hop, Hop::ClientSidecar | Hop::Egress));
    let server = evidence.database.is_some()
        || hops().any(|hop| matches!(hop, Hop::Ingress | Hop::ServerSidecar));
    [("client", client), ("server", server)]
        .into_iter()
        .filter_map(|(name, seen)| seen.then_some(name))
        .collect()
}

fn push(all: &mut Properties, name: &str, value: &str) {
    all.push((name.to_owned(), value.to_owned()));
}
