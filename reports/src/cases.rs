//! `cases.md`: what each case expected and what was seen, beside each other, and how many different
//! refusals the run has shown. Pure.

use std::collections::BTreeSet;
use std::fmt::Write;

use meshproof_record::{
    CaseRecord, Cause, Expectation, Hop, Observed, Outcome, RunRecord, ScenarioRecord, Status,
};

use crate::text::one_line;
use crate::words::{observed, status};

/// The table of all cases as Markdown.
pub fn cases(record: &RunRecord) -> String {
    let mut text = String::from("# Cases: expected and observed\n");
    for scenario in &record.scenarios {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n## {}\n\n| case | control | expected | observed | verdict | under sabotage |\n| --- | --- | --- | --- | --- | --- |\n",
            cell(&scenario.name)
        );
        for case in scenario.cases.iter().filter(|case| case.sabotage.is_none()) {
            row(&mut text, scenario, case);
        }
    }
    let refusals = refusals(record);
    let _ = write!(
        text,
        "\n{} different refusals (hop and cause) shown.\n",
        refusals.len()
    );
    text
}

fn row(text: &mut String, scenario: &ScenarioRecord, case: &CaseRecord) {
    let seen = |case: &CaseRecord| case.verdict.observed.map_or("-".to_owned(), observed);
    let sabotaged = scenario.cases.iter().find(|other| {
        other.sabotage.is_some() && other.line == case.line && is_sabotaged(&other.name, &case.name)
    });
    let sabotaged = sabotaged.map_or("-".to_owned(), |other| match other.verdict.status {
        Status::Pass => format!("fails, as it must: {}", seen(other)),
        _ => format!("does not fail: {}", other.verdict.summary),
    });
    let cells = [
        case.name.clone(),
        case.control.clone().unwrap_or_else(|| "-".to_owned()),
        expected(&case.expectation),
        seen(case),
        status(case.verdict.status).to_owned(),
        sabotaged,
    ];
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// `<case>.sabotaged`.
fn is_sabotaged(name: &str, case: &str) -> bool {
    name.strip_prefix(case)
        .is_some_and(|rest| rest.starts_with('.'))
}

fn expected(expectation: &Expectation) -> String {
    observed(Observed {
        outcome: expectation.outcome,
        hop: expectation.hop.unwrap_or(Hop::None),
        cause: expectation.cause.unwrap_or(Cause::None),
    })
}

/// Pairs of hop and cause of negative cases that passed.
fn refusals(record: &RunRecord) -> BTreeSet<(Hop, Cause)> {
    let cases = record.scenarios.iter().flat_map(|scenario| &scenario.cases);
    cases
        .filter(|case| case.sabotage.is_none() && case.verdict.status == Status::Pass)
        .filter(|case| case.expectation.outcome != Outcome::Connected)
        .filter_map(|case| Some((case.expectation.hop?, case.expectation.cause?)))
        .collect()
}

/// Text that breaks neither the line nor the column.
fn cell(text: &str) -> String {
    one_line(text).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{negative, positive, run};

    #[test]
    fn expected_stands_beside_observed_and_sabotage() {
        let mut sabotaged = negative();
        sabotaged.name = format!("{}.sabotaged", sabotaged.name);
        sabotaged.sabotage = Some("server Gateway/default/g: deleted".to_owned());
        let text = cases(&run(vec![positive(), negative(), sabotaged]));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_name_breaks_no_column() {
        let mut odd = positive();
        odd.name = "a|b\nc".to_owned();
        let text = cases(&run(vec![odd]));
        assert!(text.contains("a\\|b"), "{text}");
        assert_eq!(text.lines().count(), 9, "{text}");
    }
}
