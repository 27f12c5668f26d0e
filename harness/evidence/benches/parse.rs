//! Speed of cutting access-log lines, in MB/s on one core: `cargo bench -p meshproof-evidence`.
#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    missing_docs
)]

use std::hint::black_box;
use std::time::Instant;

use meshproof_evidence::{BuiltIn, Reader};

const ROUNDS: usize = 200;
const BYTES: usize = 1 << 20;

fn main() {
    let long = recorded(include_str!(
        "../tests/data/failures/istio-1.32-envoy-1.40.jsonl"
    ));
    let json = recorded(include_str!(
        "../tests/data/failures/istio-1.32-json-logs.jsonl"
    ));
    let short = long
        .iter()
        .filter_map(|line| Some(line.split_once(" | ")?.0.to_owned()))
        .collect();
    let tutorial = include_str!("../tests/data/tutorial.log");
    for (built_in, lines) in [
        (BuiltIn::Text, short),
        (BuiltIn::Failures, long),
        (
            BuiltIn::Text1x3,
            tutorial.lines().map(str::to_owned).collect(),
        ),
        (BuiltIn::Json, json),
    ] {
        run(built_in, &lines);
    }
}

fn recorded(records: &str) -> Vec<String> {
    let records = records
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    records
        .flat_map(|record| lines_of(&record["logs"]))
        .collect()
}

fn lines_of(logs: &serde_json::Value) -> Vec<String> {
    let hops = logs.as_object().into_iter().flat_map(|hops| hops.values());
    hops.filter_map(|lines| lines.as_array())
        .flatten()
        .filter_map(|line| Some(line.as_str()?.to_owned()))
        .collect()
}

/// The best of many short rounds: the rest is what else the machine did.
fn run(built_in: BuiltIn, lines: &[String]) {
    let length: usize = lines.iter().map(|line| line.len() + 1).sum();
    let repeats = BYTES / length;
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let copied: usize = (0..repeats)
            .flat_map(|_| lines)
            .map(|line| copied_values(built_in.reader(), line))
            .sum();
        best = best.min(start.elapsed().as_secs_f64());
        assert_eq!(copied, 0, "{built_in:?}: every value is borrowed");
    }
    let speed = (repeats * length) as f64 / best / 1e6;
    println!(
        "{built_in:?}: {speed:.0} MB/s, {} lines of {} bytes on average",
        lines.len(),
        length / lines.len()
    );
}

/// Cuts a line and says how many of its values are not borrowed from it.
fn copied_values(reader: &Reader, line: &str) -> usize {
    match reader {
        Reader::Text(format) => {
            black_box(format.parse(black_box(line)).unwrap());
            0
        }
        Reader::Json(format) => black_box(format.parse(black_box(line)).unwrap()).copied(),
    }
}
