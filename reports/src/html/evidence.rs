//! Evidence as blocks of text, as it was recorded. Long ones are cut, and say so: the whole is in
//! `run.json`.

use meshproof_record::{ClientEvidence, Evidence, Hop, LogEvidence, word};
use serde::Serialize;

use crate::text::printable;

/// Most bytes of one block.
const BLOCK: usize = 16 * 1024;

#[derive(Serialize)]
pub(super) struct Block {
    title: String,
    /// The hop that it is of; a click on the hop in the picture opens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hop: Option<String>,
    text: String,
    /// Whether there is more of it in `run.json`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

pub(super) fn blocks(evidence: &Evidence) -> Vec<Block> {
    let mut all = Vec::new();
    if !evidence.missing.is_empty() {
        let lines = evidence.missing.iter();
        let lines: Vec<_> = lines
            .map(|missing| format!("{}: {}", missing.source, missing.why))
            .collect();
        all.push(block("what is missing", None, &lines.join("\n")));
    }
    for (title, client) in [
        ("client", &evidence.client),
        ("client that only waits", &evidence.waiting_client),
    ] {
        if let Some(client) = client {
            all.push(block(title, Some(Hop::Client), &words_of(client)));
        }
    }
    all.extend(evidence.logs.iter().map(|(hop, log)| log_of(*hop, log)));
    let network = [("counted on the way", json(evidence.network.as_ref()))];
    let rest = [
        ("resolved", json(evidence.resolution.as_ref())),
        ("captured on the link", json(evidence.wire.as_ref())),
        (
            "sessions while the environment changed",
            json(evidence.continuous.as_ref()),
        ),
        (
            "control after the case",
            json(evidence.control_after.as_ref()),
        ),
    ];
    for (title, text) in network.into_iter().chain(rest) {
        let hop = match title {
            "counted on the way" | "captured on the link" => Some(Hop::Network),
            _ => None,
        };
        all.extend(text.map(|text| block(title, hop, &text)));
    }
    let database = json(evidence.database.as_ref());
    all.extend(database.map(|text| block("database", Some(Hop::Mysqld), &text)));
    if !evidence.holds.is_empty() {
        let holds = evidence.holds.iter();
        let lines: Vec<_> = holds
            .map(|hold| format!("{:.0} ms for {}", hold.ms, hold.what))
            .collect();
        all.push(block("watched for absences", None, &lines.join("\n")));
    }
    all
}

fn words_of(client: &ClientEvidence) -> String {
    let end = match (client.exit, &client.stopped) {
        (_, Some(why)) => format!("stopped: {why}"),
        (Some(code), None) => format!("ended with {code}"),
        (None, None) => "ended by a signal".to_owned(),
    };
    let mut text = format!(
        "$ {}\n{end}, after {:.3} s",
        client.command.join(" "),
        client.seconds
    );
    for (name, stream) in [("stdout", &client.stdout), ("stderr", &client.stderr)] {
        if !stream.is_empty() {
            text = format!("{text}\n--- {name}\n{}", stream.trim_end());
        }
    }
    text
}

fn log_of(hop: Hop, log: &LogEvidence) -> Block {
    let title = format!("log of {}, {}", word(hop), log.pod);
    let lines: Vec<&str> = log.lines.iter().map(|line| line.trim_end()).collect();
    let text = match lines.as_slice() {
        [] => "no line".to_owned(),
        lines => lines.join("\n"),
    };
    block(&title, Some(hop), &text)
}

/// What has no better form, as it stands in `run.json`.
fn json(value: Option<&impl Serialize>) -> Option<String> {
    let text = serde_json::to_string_pretty(value?);
    Some(text.unwrap_or_else(|error| format!("not shown: {error}")))
}

fn block(title: &str, hop: Option<Hop>, text: &str) -> Block {
    let (text, cut) = cut(text, BLOCK);
    Block {
        title: printable(title).into_owned(),
        hop: hop.map(word),
        text,
        cut,
    }
}

/// The beginning of a text, of at most so many bytes, and whether there is more.
pub(super) fn cut(text: &str, most: usize) -> (String, bool) {
    let end = text.floor_char_boundary(most);
    let head = printable(&text[..end]).into_owned();
    (head, end < text.len())
}
