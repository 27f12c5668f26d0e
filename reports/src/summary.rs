//! `summary.md`: what a pull request or the page of a CI job shows of a run. Pure, and bounded.

mod bounded;
mod safe;
#[cfg(test)]
mod tests;

use meshproof_record::{CaseRecord, RunRecord, Status};

use self::bounded::Bounded;
use self::safe::{cell, inline};
use crate::conclusion::Conclusion;
use crate::totals::Totals;
use crate::words::{counts, expected, observed, status};

/// Most bytes of a comment on a pull request: GitHub takes 65,536 characters.
pub const COMMENT_LIMIT: usize = 65_536;
/// Most bytes of a job's summary: GitHub takes 1 MiB of each step
/// (<https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>, "job summaries").
pub const STEP_SUMMARY_LIMIT: usize = 1024 * 1024;
/// A summary has at least its verdict, its counts and what was left out.
const LEAST: usize = 4096;

/// A case, and the scenario that it belongs to.
type Row<'a> = (&'a str, &'a CaseRecord);

/// The run as Markdown, of at most `limit` bytes; a limit below 4 KiB is taken as 4 KiB.
///
/// What did not pass comes first and has all the room that it needs; what does not fit is counted.
pub fn summary(record: &RunRecord, limit: usize) -> String {
    let mut page = Bounded::new(limit.max(LEAST));
    page.always(&headline(record));
    problems(&mut page, record);
    let rows = |wanted: &[Status]| -> Vec<Row<'_>> {
        let cases = record.scenarios.iter().flat_map(|scenario| {
            let name = scenario.name.as_str();
            scenario.cases.iter().map(move |case| (name, case))
        });
        cases
            .filter(|(_, case)| wanted.contains(&case.verdict.status))
            .collect()
    };
    let mut open = rows(&[Status::Fail, Status::Inconclusive]);
    open.sort_by_key(|(_, case)| std::cmp::Reverse(case.verdict.status));
    if !open.is_empty() {
        let head =
            "\n| case | verdict | expected | observed | why |\n| --- | --- | --- | --- | --- |\n";
        page.table(head, "", open.iter().map(|row| not_passed(*row)));
    }
    folded(
        &mut page,
        &rows(&[Status::Skipped]),
        "skipped",
        "why",
        |case| cell(&case.verdict.summary),
    );
    folded(
        &mut page,
        &rows(&[Status::Pass]),
        "passed",
        "observed",
        seen,
    );
    page.into_text()
}

fn headline(record: &RunRecord) -> String {
    let conclusion = Conclusion::of(record);
    let mark = match conclusion {
        Conclusion::Pass => "✅",
        Conclusion::Fail => "❌",
        Conclusion::Inconclusive | Conclusion::NotFinished => "⚠️",
    };
    let mut facts = vec![format!("{} clusters", inline(&record.provider, 40))];
    if let Some(envoy) = record.versions.get("envoy") {
        facts.push(format!("Envoy {}", inline(envoy, 40)));
    }
    facts.push(format!("meshproof {}", inline(&record.tool.version, 40)));
    facts.push(format!("run {}", inline(&record.run_id, 80)));
    format!(
        "## {mark} meshproof: {}\n\n{}\n\n{}\n",
        conclusion.headline(),
        counts(&Totals::of(record)),
        facts.join(" · ")
    )
}

fn problems(page: &mut Bounded, record: &RunRecord) {
    if record.problems.is_empty() {
        return;
    }
    let rows = record.problems.iter().map(|problem| {
        let (during, message) = (cell(&problem.during), cell(&problem.message));
        format!("| {during} | {message} |\n")
    });
    let head = "\n| the run did not finish during | because |\n| --- | --- |\n";
    page.table(head, "", rows);
}

fn not_passed((scenario, case): Row<'_>) -> String {
    format!(
        "| {} | {} | {} | {} | {} |\n",
        name((scenario, case)),
        status(case.verdict.status),
        cell(&expected(&case.expectation)),
        seen(case),
        cell(&case.verdict.summary),
    )
}

/// A table that is opened by a click.
fn folded(
    page: &mut Bounded,
    rows: &[Row<'_>],
    what: &str,
    column: &str,
    value: impl Fn(&CaseRecord) -> String,
) {
    if rows.is_empty() {
        return;
    }
    let head = format!(
        "\n<details><summary>{} {what}</summary>\n\n| case | {column} |\n| --- | --- |\n",
        rows.len()
    );
    let rows = rows
        .iter()
        .map(|row| format!("| {} | {} |\n", name(*row), value(row.1)));
    page.table(&head, "\n</details>\n", rows);
}

fn name((scenario, case): Row<'_>) -> String {
    cell(&format!("{scenario}::{}", case.name))
}

fn seen(case: &CaseRecord) -> String {
    case.verdict
        .observed
        .map_or("-".to_owned(), |seen| cell(&observed(seen)))
}
