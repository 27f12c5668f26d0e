//! The list for people. Pure.

use std::fmt::Write as _;

use meshproof_record::{Finding, FindingState};

/// Every finding in a line, what to do below it; clusters apart.
pub fn text(findings: &[Finding]) -> String {
    let widest = findings
        .iter()
        .map(|finding| finding.point.chars().count())
        .max();
    let width = widest.unwrap_or(0);
    let mut text = String::new();
    let mut before = None;
    for finding in findings {
        if before != Some(&finding.cluster) {
            let title = finding.cluster.as_ref();
            let title =
                title.map_or_else(|| "general".to_owned(), |name| format!("cluster {name}"));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{title}");
            before = Some(&finding.cluster);
        }
        let state = match finding.state {
            FindingState::Ok => "ok",
            FindingState::Unknown => "unknown",
            FindingState::Missing => "missing",
        };
        let _ = writeln!(
            text,
            "  {state:7}  {:width$}  {}",
            finding.point, finding.found
        );
        if let Some(to_do) = &finding.to_do {
            let _ = writeln!(text, "  {:7}  {:width$}  to do: {to_do}", "", "");
        }
    }
    text
}
