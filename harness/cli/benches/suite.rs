//! How long the whole suite takes beside the least work possible, all measured in turn: every case with its
//! controls, and every case once more under its sabotage. Scenarios that wait on clocks that nobody may
//! shorten (label `slow`) stand outside.
//!
//! `cargo bench -p meshproof --bench suite -- [RUNS]`. Prints medians and ratios and asserts none:
//! absolute times belong to a machine.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

#[path = "floor/bare.rs"]
mod bare;
#[path = "floor/tools.rs"]
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use meshproof_record::{RunRecord, Status};

use crate::bare::{bare_floor, median};
use crate::tools::Tools;

/// One run of the suite.
struct Run {
    wall_ms: f64,
    cases: usize,
}

fn main() {
    let runs = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(5_usize);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace's folder");
    let out = tempfile::tempdir().expect("a folder for reports");
    let files = scenarios(&root);
    println!("finding the toolchain and warming up");
    let tools = Tools::find();
    suite(&files, out.path(), false);
    let (mut floors, mut plain, mut sabotaged) = (Vec::new(), Vec::new(), Vec::new());
    let mut cases = (0, 0);
    for nth in 1..=runs {
        floors.push(bare_floor(&root, &tools));
        let one = suite(&files, out.path(), false);
        let both = suite(&files, out.path(), true);
        cases = (one.cases, both.cases);
        println!(
            "{nth:>3}  floor {:>6.0} ms   suite {:>6.0} ms   with sabotage {:>6.0} ms",
            floors[nth - 1],
            one.wall_ms,
            both.wall_ms
        );
        plain.push(one.wall_ms);
        sabotaged.push(both.wall_ms);
    }
    let floor = median(floors);
    let line = |what: &str, count: usize, values: Vec<f64>| {
        let wall = median(values);
        println!(
            "  {what}, {count} cases {wall:>7.0} ms   {:.1} x the floor",
            wall / floor
        );
    };
    println!("\nmedian of {runs} runs each");
    println!("  floor {floor:>7.0} ms");
    line("suite", cases.0, plain);
    line("suite with every sabotage", cases.1, sabotaged);
}

/// Every scenario of the workspace that is not labelled `slow`.
fn scenarios(root: &Path) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(root.join("scenarios")).expect("the scenarios' folder");
    let mut files: Vec<PathBuf> = folder
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .filter(|path| {
            let text = std::fs::read_to_string(path).expect("a scenario");
            let labels = text
                .lines()
                .find(|line| line.trim_start().starts_with("labels:"));
            labels.is_none_or(|labels| !labels.contains("slow"))
        })
        .collect();
    files.sort();
    files
}

fn suite(files: &[PathBuf], out: &Path, sabotage: bool) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshproof"));
    command.arg("run").args(files).arg("--out").arg(out);
    if sabotage {
        command.arg("--sabotage");
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let start = Instant::now();
    let output = command.output().expect("starting meshproof");
    let wall_ms = start.elapsed().as_secs_f64() * 1000.0;
    assert!(
        output.status.success(),
        "the run failed:\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let json = std::fs::read(out.join("latest/run.json")).expect("the run record");
    let record: RunRecord = serde_json::from_slice(&json).expect("a run record");
    let cases = record.scenarios.iter().flat_map(|scenario| &scenario.cases);
    let passed = cases
        .filter(|case| case.verdict.status == Status::Pass)
        .count();
    Run {
        wall_ms,
        cases: passed,
    }
}
