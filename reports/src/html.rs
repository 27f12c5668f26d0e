//! `report.html`: one self-contained file that needs no network, for people.
//!
//! The page's head is made here; the list and the details are made in the browser from JSON that stands
//! in the page. Nothing of a record is ever markup: the template escapes, [`island`] leaves no angle
//! bracket, the script writes text only, and the page's own policy forbids every other script and every
//! request.

mod detail;
mod evidence;
mod index;
mod island;
mod path;
#[cfg(test)]
mod tests;
mod timeline;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use meshproof_record::{CaseRecord, Phase, Problem, RunRecord, ScenarioRecord, Status, Tool};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::conclusion::Conclusion;
use crate::totals::Totals;
use crate::words::counts;

const TEMPLATE: &str = include_str!("html/report.html");
const STYLE: &str = include_str!("html/report.css");
const SCRIPT: &str = include_str!("html/report.js");
/// Where the details of the cases go. Text of a record has no angle bracket, so this stands once.
const PLACE: &str = "<!-- details -->";

/// Why a record could not be written as a page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HtmlError {
    /// The template could not be filled.
    #[error("filling the page's template: {0}")]
    Template(#[from] minijinja::Error),
    /// A part of the record could not be put into JSON.
    #[error("encoding the page's data: {0}")]
    Json(#[from] serde_json::Error),
    /// The template has lost the place where details go.
    #[error("the page's template has no place for details")]
    Place,
}

/// A case with its scenario, in the order of the page.
type Listed<'a> = (usize, &'a ScenarioRecord, &'a CaseRecord);

/// What the head shows of a record: all but its cases.
#[derive(Serialize)]
struct Head<'a> {
    run_id: &'a str,
    provider: &'a str,
    started: &'a str,
    finished: &'a str,
    tool: &'a Tool,
    versions: &'a BTreeMap<String, String>,
    problems: &'a [Problem],
    phases: &'a [Phase],
}

impl<'a> Head<'a> {
    fn of(record: &'a RunRecord) -> Self {
        Self {
            run_id: &record.run_id,
            provider: &record.provider,
            started: &record.started,
            finished: &record.finished,
            tool: &record.tool,
            versions: &record.versions,
            problems: &record.problems,
            phases: &record.phases,
        }
    }
}

/// The page of a run.
pub fn html(record: &RunRecord) -> Result<String, HtmlError> {
    page(record, &[])
}

/// The page, with more scripts at its end: tests measure with them.
fn page(record: &RunRecord, scripts: &[&str]) -> Result<String, HtmlError> {
    let cases = listed(record);
    let frame = frame(record, &cases, scripts)?;
    let (before, after) = frame.split_once(PLACE).ok_or(HtmlError::Place)?;
    let mut text = before.to_owned();
    // One line a case, in the order of the index: a case is parsed when it is opened.
    text.push_str("<script type=\"application/jsonl\" id=\"details\">");
    for (_, scenario, case) in &cases {
        text.push('\n');
        text.push_str(&island::json(&detail::Detail::of(scenario, case))?);
    }
    text.push_str("\n</script>");
    text.push_str(after);
    Ok(text)
}

/// What did not pass first, otherwise as they ran.
fn listed(record: &RunRecord) -> Vec<Listed<'_>> {
    let scenarios = record.scenarios.iter().enumerate();
    let mut all: Vec<Listed<'_>> = scenarios
        .flat_map(|(at, scenario)| scenario.cases.iter().map(move |case| (at, scenario, case)))
        .collect();
    all.sort_by_key(|(_, _, case)| match case.verdict.status {
        Status::Fail => 0,
        Status::Inconclusive => 1,
        Status::Skipped => 2,
        Status::Pass => 3,
    });
    all
}

fn frame(record: &RunRecord, cases: &[Listed<'_>], scripts: &[&str]) -> Result<String, HtmlError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("report.html", TEMPLATE)?;
    let conclusion = Conclusion::of(record);
    let index = island::json(&index::Index::of(record, cases))?;
    let text = environment.get_template("report.html")?.render(context! {
        policy => policy(scripts),
        style => STYLE,
        script => SCRIPT,
        scripts => Serde(scripts),
        index => index,
        conclusion => conclusion.word(),
        headline => conclusion.headline(),
        counts => counts(&Totals::of(record)),
        record => Serde(Head::of(record)),
    })?;
    Ok(text)
}

/// The page's policy (CSP level 3): its own style and script by their digests, no request, no form, no
/// markup from strings.
fn policy(scripts: &[&str]) -> String {
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let mut all = vec![digest(SCRIPT)];
    all.extend(scripts.iter().map(|text| digest(text)));
    format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'",
        all.join(" "),
        digest(STYLE)
    )
}
