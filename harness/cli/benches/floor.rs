//! How long a whole run takes beside the least work possible, both measured in turn.
//!
//! `cargo bench -p meshproof --bench floor -- [RUNS]`. Prints medians and ratios and asserts none:
//! absolute times belong to a machine.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

#[path = "floor/bare.rs"]
mod bare;
#[path = "floor/memory.rs"]
mod memory;
#[path = "floor/tools.rs"]
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use meshproof_record::RunRecord;

use crate::bare::{bare_floor, median};
use crate::memory::peak;
use crate::tools::Tools;

const MESHPROOF: &str = env!("CARGO_BIN_EXE_meshproof");

/// One run of `meshproof`.
struct Run {
    wall_ms: f64,
    hold_ms: f64,
    record: RunRecord,
}

fn main() {
    let runs = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(10_usize);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace's folder");
    let out = tempfile::tempdir().expect("a folder for reports");
    println!("finding the toolchain and warming up");
    let tools = Tools::find();
    meshproof(&root, out.path());
    let (mut floors, mut ours) = (Vec::new(), Vec::new());
    for nth in 1..=runs {
        floors.push(bare_floor(&root, &tools));
        ours.push(meshproof(&root, out.path()));
        let last = ours.last().unwrap();
        println!(
            "{nth:>3}  floor {:>6.0} ms   meshproof {:>6.0} ms, of which holds {:.0} ms",
            floors[nth - 1],
            last.wall_ms,
            last.hold_ms
        );
    }
    report(floors, &ours);
    peak_memory(&root, out.path());
}

fn report(floors: Vec<f64>, ours: &[Run]) {
    let floor = median(floors);
    let wall = median(ours.iter().map(|run| run.wall_ms).collect());
    let net = median(ours.iter().map(|run| run.wall_ms - run.hold_ms).collect());
    println!("\nmedian of {} runs each", ours.len());
    println!("  floor                        {floor:>7.0} ms");
    println!(
        "  meshproof, all of it         {wall:>7.0} ms   {:.2} x the floor",
        wall / floor
    );
    println!(
        "  meshproof, declared holds out{net:>7.0} ms   {:.2} x the floor",
        net / floor
    );
    let Some(last) = ours.last() else { return };
    for case in last
        .record
        .scenarios
        .iter()
        .flat_map(|scenario| &scenario.cases)
    {
        println!("    case {:<34} {:>7.0} ms", case.name, case.duration_ms);
    }
}

fn peak_memory(root: &Path, out: &Path) {
    let mut child = command(root, out).spawn().expect("starting meshproof");
    let peak = peak(&mut child, Path::new(MESHPROOF));
    println!("\npeak memory of the harness itself");
    println!("  the command                  {:>7.1} MiB", peak.command);
    println!("  with its node, shared once   {:>7.1} MiB", peak.together);
}

fn meshproof(root: &Path, out: &Path) -> Run {
    let start = Instant::now();
    let output = command(root, out).output().expect("starting meshproof");
    let wall_ms = start.elapsed().as_secs_f64() * 1000.0;
    assert!(
        output.status.success(),
        "the run failed:\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let json = std::fs::read(out.join("latest/run.json")).expect("the run record");
    let record: RunRecord = serde_json::from_slice(&json).expect("a run record");
    let cases = record.scenarios.iter().flat_map(|scenario| &scenario.cases);
    let hold_ms = cases
        .flat_map(|case| &case.evidence.holds)
        .map(|hold| hold.ms)
        .sum();
    Run {
        wall_ms,
        hold_ms,
        record,
    }
}

fn command(root: &Path, out: &Path) -> Command {
    let scenario: PathBuf = root.join("scenarios/mysql-mtls.yaml");
    let mut command = Command::new(MESHPROOF);
    command
        .arg("run")
        .arg(scenario)
        .arg("--out")
        .arg(out)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}
