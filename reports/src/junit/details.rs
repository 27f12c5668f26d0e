//! The long texts of a case: why it did not pass, and what was seen.

use std::fmt::Write;
use std::path::Path;

use meshproof_record::{CaseRecord, Status, word};

use crate::words::status;

/// Longest list of log lines in a report, per proxy. All of them are in `run.json`.
const LINES: usize = 50;

/// The summary, then every check that did not pass, then the evidence that was missing.
pub(super) fn reason(case: &CaseRecord) -> String {
    let mut text = case.verdict.summary.clone();
    for check in case
        .verdict
        .checks
        .iter()
        .filter(|check| check.status != Status::Pass)
    {
        push(
            &mut text,
            &format!("{}: {}: {}", status(check.status), check.what, check.detail),
        );
    }
    for missing in &case.evidence.missing {
        push(
            &mut text,
            &format!("missing evidence: {}: {}", missing.source, missing.why),
        );
    }
    text
}

/// Every check; for a case that did not pass also the client's words, the log lines and the files
/// to look at.
pub(super) fn output(case: &CaseRecord, attachments: &[&Path]) -> String {
    let mut text = String::new();
    for check in &case.verdict.checks {
        push(
            &mut text,
            &format!("{}: {}: {}", status(check.status), check.what, check.detail),
        );
    }
    if matches!(case.verdict.status, Status::Fail | Status::Inconclusive) {
        client(case, &mut text);
        logs(case, &mut text);
        for path in attachments {
            push(&mut text, &format!("[[ATTACHMENT|{}]]", path.display()));
        }
    }
    text
}

fn client(case: &CaseRecord, text: &mut String) {
    let Some(client) = &case.evidence.client else {
        return;
    };
    push(text, &format!("client: {}", client.command.join(" ")));
    match (client.exit, &client.stopped) {
        (_, Some(why)) => push(
            text,
            &format!("client was stopped after {:.3} s: {why}", client.seconds),
        ),
        (Some(code), None) => push(
            text,
            &format!("client ended with {code} after {:.3} s", client.seconds),
        ),
        (None, None) => push(
            text,
            &format!("client was ended by a signal after {:.3} s", client.seconds),
        ),
    }
    for (name, stream) in [("stdout", &client.stdout), ("stderr", &client.stderr)] {
        for line in stream.lines().take(LINES) {
            push(text, &format!("client {name}: {line}"));
        }
    }
}

fn logs(case: &CaseRecord, text: &mut String) {
    for (hop, log) in &case.evidence.logs {
        let hop = word(hop);
        push(
            text,
            &format!("{hop} ({}): {} lines", log.pod, log.lines.len()),
        );
        for line in log.lines.iter().take(LINES) {
            push(text, &format!("{hop}: {}", line.trim_end()));
        }
        if let Some(more @ 1..) = log.lines.len().checked_sub(LINES) {
            push(text, &format!("{hop}: and {more} more in run.json"));
        }
    }
}

fn push(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    // Writing to a string cannot fail.
    let _ = text.write_str(line);
}
