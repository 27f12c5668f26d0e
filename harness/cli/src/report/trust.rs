//! Verdicts are computed again from the evidence. What has none to compute from is never a pass.

use meshproof_record::{CaseRecord, Evidence, RunRecord, Status};
use meshproof_runner::{not_run, rejudge};

/// Most changes that are told one by one.
const TOLD: usize = 20;

/// The record with verdicts that follow from its evidence.
pub(super) fn judged(recorded: &RunRecord) -> RunRecord {
    let mut record = rejudge(recorded);
    for case in record
        .scenarios
        .iter_mut()
        .flat_map(|scenario| &mut scenario.cases)
    {
        if let Some(why) = contradiction(case) {
            case.verdict = not_run(Status::Inconclusive, why);
        }
    }
    record
}

/// Verdicts that a run does not write, and judging leaves as they are.
fn contradiction(case: &CaseRecord) -> Option<&'static str> {
    let empty = case.evidence == Evidence::default();
    match case.verdict.status {
        Status::Pass if empty => Some("recorded as passed, without any evidence"),
        Status::Skipped if !empty => Some("recorded as skipped, and yet it has evidence"),
        _ => None,
    }
}

/// Reasons can be long; the reports have the whole.
fn beginning(text: &str) -> String {
    let most = 160;
    let cut: String = text.chars().take(most).collect();
    if cut.len() < text.len() {
        cut + "…"
    } else {
        cut
    }
}

/// One line for each verdict that is not the recorded one.
pub(super) fn changes(recorded: &RunRecord, judged: &RunRecord) -> Vec<String> {
    let cases = recorded.scenarios.iter().zip(&judged.scenarios);
    let pairs = cases.flat_map(|(before, after)| {
        let name = before.name.as_str();
        let cases = before.cases.iter().zip(&after.cases);
        cases.map(move |(before, after)| (name, before, after))
    });
    let mut told: Vec<String> = pairs
        .filter(|(_, before, after)| before.verdict.status != after.verdict.status)
        .map(|(scenario, before, after)| {
            format!(
                "note: {scenario}::{} was recorded as {}, and is {} by its evidence: {}",
                before.name,
                meshproof_record::word(before.verdict.status),
                meshproof_record::word(after.verdict.status),
                beginning(&after.verdict.summary)
            )
        })
        .collect();
    if let Some(more @ 1..) = told.len().checked_sub(TOLD) {
        told.truncate(TOLD);
        told.push(format!(
            "note: and {more} more verdicts are not the recorded ones"
        ));
    }
    told
}
