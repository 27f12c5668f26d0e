//! Speed of cutting access-log lines, in MB/s on one core: `cargo bench -p meshproof-evidence`.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use meshproof_evidence::BuiltIn;

const ROUNDS: usize = 7;
const BYTES: usize = 64 << 20;

fn main() {
    let short = include_str!("../tests/data/tutorial.log");
    let recorded = include_str!("../tests/data/failures/istio-1.32-envoy-1.40.jsonl");
    let records = recorded
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let long: Vec<String> = records
        .flat_map(|record| lines_of(&record["logs"]))
        .collect();
    let cut: Vec<String> = long
        .iter()
        .filter_map(|line| Some(line.split_once(" | ")?.0.to_owned()))
        .collect();
    let tutorial: Vec<String> = short.lines().map(str::to_owned).collect();
    for (built_in, lines) in [
        (BuiltIn::Text, cut),
        (BuiltIn::Failures, long),
        (BuiltIn::Text1x3, tutorial),
    ] {
        run(built_in, &lines);
    }
}

fn lines_of(logs: &serde_json::Value) -> Vec<String> {
    let hops = logs.as_object().into_iter().flat_map(|hops| hops.values());
    hops.filter_map(|lines| lines.as_array())
        .flatten()
        .filter_map(|line| Some(line.as_str()?.to_owned()))
        .collect()
}

/// The best of a few rounds: the rest is what else the machine did.
fn run(built_in: BuiltIn, lines: &[String]) {
    let Some(format) = built_in.format() else {
        return;
    };
    let length: usize = lines.iter().map(|line| line.len() + 1).sum();
    let repeats = BYTES / length;
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for line in (0..repeats).flat_map(|_| lines) {
            match format.parse(black_box(line)) {
                Ok(record) => _ = black_box(record),
                Err(error) => return println!("{built_in:?}: {error}"),
            }
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    let speed = (repeats * length) as f64 / best / 1e6;
    println!(
        "{built_in:?}: {speed:.0} MB/s, {} lines of {} bytes on average",
        lines.len(),
        length / lines.len()
    );
}
