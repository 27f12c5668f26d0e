//! The final table: what a person reads when the run is over. Pure, at most 80 columns wide.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::path::Path;

use meshproof_record::{CaseRecord, RunRecord, ScenarioRecord, Status, word};

use crate::text::{columns, one_line, wrap};
use crate::totals::Totals;
use crate::words::{observed, status};

/// Widest line, in terminal columns. Only the reports' path may be longer: a cut path is none.
const WIDTH: usize = 80;
/// Room for the names of cases; longer ones get a line of their own.
const NAME: usize = 26;
const VERDICT: usize = 12;
const OBSERVED: usize = 27;

/// How the table is to be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableOptions<'a> {
    /// Colour the verdicts with terminal escapes.
    pub colour: bool,
    /// Where the reports were written, if they were.
    pub folder: Option<&'a Path>,
}

/// The table of a run: a line per case, reasons below what did not pass, totals at the end.
pub fn table(record: &RunRecord, options: TableOptions) -> String {
    let mut table = Table {
        text: String::new(),
        colour: options.colour,
    };
    for scenario in &record.scenarios {
        table.scenario(scenario);
    }
    for problem in &record.problems {
        if !table.text.is_empty() {
            table.line("");
        }
        let label = table.paint("problem", Paint::Red);
        table.line(&format!("{label} while: {}", one_line(&problem.during)));
        table.wrapped("  ", &problem.message);
    }
    if !(record.scenarios.is_empty() && record.problems.is_empty()) {
        table.line("");
    }
    table.totals(record);
    if let Some(folder) = options.folder {
        table.line(&format!(
            "reports: {}",
            one_line(&folder.display().to_string())
        ));
    }
    table.text
}

struct Table {
    text: String,
    colour: bool,
}

#[derive(Clone, Copy)]
enum Paint {
    Green,
    Red,
    Yellow,
    Grey,
    Bold,
}

impl Table {
    fn scenario(&mut self, scenario: &ScenarioRecord) {
        let name = self.paint(&cut(&one_line(&scenario.name), 38), Paint::Bold);
        let file = self.paint(&cut(&one_line(&scenario.file), 39), Paint::Grey);
        self.line(&format!("{name}  {file}"));
        let head = format!(
            "  {:NAME$} {:VERDICT$} {:OBSERVED$} {:>9}",
            "case", "verdict", "observed", "time"
        );
        let head = self.paint(&head, Paint::Grey);
        self.line(&head);
        for case in &scenario.cases {
            self.case(case);
        }
        for case in scenario
            .cases
            .iter()
            .filter(|case| case.verdict.status != Status::Pass)
        {
            self.reason(scenario, case);
        }
    }

    fn case(&mut self, case: &CaseRecord) {
        let mut name = one_line(&case.name);
        if columns(&name) > NAME {
            for line in wrap(&name, WIDTH - 2) {
                self.line(&format!("  {line}"));
            }
            name = String::new();
        }
        let seen = case
            .verdict
            .observed
            .map_or_else(|| "-".to_owned(), observed);
        let seen = wrap(&seen, OBSERVED);
        let verdict = pad(status(case.verdict.status), VERDICT);
        let verdict = self.paint(&verdict, colour_of(case.verdict.status));
        let first = seen.first().map_or("", String::as_str);
        self.line(&format!(
            "  {} {verdict} {} {:>9}",
            pad(&name, NAME),
            pad(first, OBSERVED),
            duration(case.duration_ms)
        ));
        for more in seen.iter().skip(1) {
            self.line(&format!(
                "{:indent$}{more}",
                "",
                indent = 2 + NAME + 1 + VERDICT + 1
            ));
        }
    }

    /// Why a case did not pass, and where to look.
    fn reason(&mut self, scenario: &ScenarioRecord, case: &CaseRecord) {
        self.line("");
        let label = self.paint(status(case.verdict.status), colour_of(case.verdict.status));
        for (nth, line) in wrap(&case.name, WIDTH - 16).iter().enumerate() {
            let end = if nth == 0 {
                format!("  {label}  {line}")
            } else {
                format!("    {line}")
            };
            self.line(&end);
        }
        self.wrapped("    ", &case.verdict.summary);
        for check in case
            .verdict
            .checks
            .iter()
            .filter(|check| check.status != Status::Pass)
        {
            self.wrapped("    - ", &format!("{}: {}", check.what, check.detail));
        }
        for missing in &case.evidence.missing {
            self.wrapped("    - ", &format!("no {}: {}", missing.source, missing.why));
        }
        if case.verdict.status != Status::Skipped {
            self.wrapped("    look at: ", &look_at(scenario, case));
        }
    }

    fn totals(&mut self, record: &RunRecord) {
        let totals = Totals::of(record);
        let counts = [
            (totals.passed, "passed", Paint::Green),
            (totals.failed, "failed", Paint::Red),
            (totals.inconclusive, "inconclusive", Paint::Yellow),
            (totals.skipped, "skipped", Paint::Grey),
        ];
        let parts: Vec<String> = counts
            .iter()
            .enumerate()
            // "0 failed" reassures; "0 skipped" says nothing.
            .filter(|(nth, (count, ..))| *nth < 2 || *count > 0)
            .map(|(_, (count, what, paint))| {
                let text = format!("{count} {what}");
                if *count > 0 {
                    self.paint(&text, *paint)
                } else {
                    text
                }
            })
            .collect();
        let mut line = parts.join(", ");
        if !record.problems.is_empty() {
            line = format!("{line}, {}", self.paint("run not finished", Paint::Red));
        }
        if let Some(taken) = wall_ms(record) {
            line = format!("{line} in {}", duration(taken));
        }
        self.line(&line);
        if totals.hold_ms > 0.0 {
            self.line(&format!(
                "declared hold windows: {} of that time",
                duration(totals.hold_ms)
            ));
        }
    }

    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{}", line.trim_end());
    }

    /// Text under a first prefix, further lines under spaces of the same width.
    fn wrapped(&mut self, prefix: &str, text: &str) {
        let indent = " ".repeat(columns(prefix));
        for (nth, line) in wrap(text, WIDTH - columns(prefix)).iter().enumerate() {
            let start = if nth == 0 { prefix } else { &indent };
            self.line(&format!("{start}{line}"));
        }
    }

    fn paint(&self, text: &str, paint: Paint) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Green => "32",
            Paint::Red => "31;1",
            Paint::Yellow => "33",
            Paint::Grey => "2",
            Paint::Bold => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

fn colour_of(status: Status) -> Paint {
    match status {
        Status::Pass => Paint::Green,
        Status::Fail => Paint::Red,
        Status::Inconclusive => Paint::Yellow,
        Status::Skipped => Paint::Grey,
    }
}

/// The case's place in the scenario file, its control, and the proxies that logged of it.
fn look_at(scenario: &ScenarioRecord, case: &CaseRecord) -> String {
    let mut parts = vec![format!("{}:{}", scenario.file, case.line)];
    if let Some(control) = &case.control {
        parts.push(format!("its control {control}"));
    }
    for (hop, log) in &case.evidence.logs {
        parts.push(format!("the log of {} ({})", word(hop), log.pod));
    }
    parts.join(", ")
}

/// Milliseconds from the start of the run to its end, known by the last phase's end.
fn wall_ms(record: &RunRecord) -> Option<f64> {
    record
        .phases
        .iter()
        .map(|phase| phase.start_ms + phase.duration_ms)
        .reduce(f64::max)
}

/// `184 ms` below ten seconds, `12.3 s` below three hours, hours above.
fn duration(ms: f64) -> String {
    match ms {
        ..10_000.0 => format!("{ms:.0} ms"),
        ..10_800_000.0 => format!("{:.1} s", ms / 1000.0),
        _ => format!("{:.1} h", ms / 3_600_000.0),
    }
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// At most `width` columns, with an ellipsis where text was cut.
fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let head = wrap(&text.replace(' ', "\u{a0}"), width - 1);
    format!("{}…", head.first().map_or("", String::as_str))
}
