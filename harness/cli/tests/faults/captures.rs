//! The capture on the link refused, ended, or too slow while a session is open.

use std::process::Command;

use meshproof_record::Status;
use nix::sys::signal::Signal;

use crate::bench::{Bench, able, end};
use crate::compiled::compiled;
use crate::held::Run;
use crate::processes::Process;

fn is_capture(process: &Process) -> bool {
    process.runs("meshproof-router") && process.does("capture")
}

/// Runs the tutorial where nobody may open a socket for packets, or everybody where `refused` is not.
fn run(refused: bool) -> Option<(i32, Bench)> {
    let bench = Bench::new();
    let refusing = compiled(&bench, "refusing", &[])?;
    let mut command = if refused {
        let mut command = Command::new(refusing);
        command.arg(env!("CARGO_BIN_EXE_meshproof"));
        command.args(bench.arguments());
        command
    } else {
        bench.command()
    };
    let ended = able(end(&mut command))?;
    Some((ended.code, bench))
}

#[test]
fn a_capture_that_cannot_be_opened_leaves_open_what_needs_it() {
    let Some((code, bench)) = run(true) else {
        return;
    };
    assert_eq!(code, 2);
    let record = bench.record();
    let [positive, negatives @ ..] = &record.scenarios[0].cases[..] else {
        panic!("there are cases: {record:#?}");
    };
    let verdict = &positive.verdict;
    assert_eq!(verdict.status, Status::Inconclusive, "{verdict:#?}");
    for part in [
        "crossing stays secret",
        "capturing on interface",
        "Operation not permitted",
    ] {
        assert!(verdict.summary.contains(part), "{part}: {verdict:#?}");
    }
    for negative in negatives {
        assert_eq!(negative.verdict.status, Status::Inconclusive);
    }
    assert_eq!(record.problems, [], "the run itself came to its end");
}

#[test]
fn a_capture_that_ends_during_a_case_leaves_it_open() {
    let mut run = Run::held();
    let Some(database) = run.stands() else { return };
    let capture = run.process("a capture", is_capture).unwrap();
    capture.signal(Signal::SIGKILL);
    run.release(&database);
    assert_eq!(run.end().code, 2);
    let verdict = run.case("held").verdict;
    assert_eq!(verdict.status, Status::Inconclusive, "{verdict:#?}");
    let told = "the capture has ended";
    assert!(verdict.summary.contains(told), "{verdict:#?}");
}
