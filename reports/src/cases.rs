//! `cases.md`: what each case expected and what was seen, beside each other, and how many different
//! refusals the run has shown. Pure.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use meshproof_record::{CaseRecord, Cause, Hop, Outcome, RunRecord, ScenarioRecord, Status};

use crate::text::one_line;
use crate::words::{expected, observed, status};

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
        let sabotaged = sabotaged(scenario);
        for case in scenario.cases.iter().filter(|case| case.sabotage.is_none()) {
            row(&mut text, &sabotaged, case);
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

/// The sabotaged cases of a scenario by the line of the case that each repeats.
type Sabotaged<'a> = HashMap<u32, Vec<&'a CaseRecord>>;

fn sabotaged(scenario: &ScenarioRecord) -> Sabotaged<'_> {
    let mut by_line = Sabotaged::new();
    for case in scenario.cases.iter().filter(|case| case.sabotage.is_some()) {
        by_line.entry(case.line).or_default().push(case);
    }
    by_line
}

fn row(text: &mut String, sabotaged: &Sabotaged<'_>, case: &CaseRecord) {
    let seen = |case: &CaseRecord| case.verdict.observed.map_or("-".to_owned(), observed);
    let sabotaged = sabotaged.get(&case.line).and_then(|others| {
        others
            .iter()
            .find(|other| is_sabotaged(&other.name, &case.name))
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
