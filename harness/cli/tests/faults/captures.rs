//! The capture on the link refused, ended, or too slow while a session is open.

use std::process::Command;

use meshproof_record::Status;
use nix::sys::signal::Signal;

use crate::bench::{Bench, able, end};
use crate::compiled::compiled;
use crate::held::{Run, release};
use crate::processes::Process;

fn is_capture(process: &Process) -> bool {
    process.runs("meshproof-router") && process.does("capture")
}

/// `AF_PACKET` and `AF_AX25` (`address_families(7)`): what captures use, and what nobody uses.
const PACKETS: &str = "17";
const AMATEUR_RADIO: &str = "3";

/// Runs the tutorial where nobody may open a socket of a family.
fn run(refused: &str) -> Option<(i32, Bench)> {
    let bench = Bench::new();
    let refusing = compiled(&bench, "refusing", &[])?;
    let mut command = Command::new(refusing);
    command.arg(refused).arg(env!("CARGO_BIN_EXE_meshproof"));
    let ended = able(end(command.args(bench.arguments())))?;
    Some((ended.code, bench))
}

#[test]
fn a_family_of_sockets_that_nobody_uses_is_not_missed() {
    let Some((code, bench)) = run(AMATEUR_RADIO) else {
        return;
    };
    assert_eq!(code, 0, "{:#?}", bench.record());
}

#[test]
fn a_capture_that_cannot_be_opened_leaves_open_what_needs_it() {
    let Some((code, bench)) = run(PACKETS) else {
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
    release(&database);
    assert_eq!(run.end().code, 2);
    let verdict = run.case("held").verdict;
    assert_eq!(verdict.status, Status::Inconclusive, "{verdict:#?}");
    let told = "the capture has ended";
    assert!(verdict.summary.contains(told), "{verdict:#?}");
}

/// A third of what crosses: more, together, than the ring holds that the kernel writes packets into. It is
/// a session of its own in the client's pod, whose output nobody has to keep.
const LOUD: &str = r#"      system mysql --skip-ssl --max-allowed-packet=1G -u root -h ${SERVICE_URL} -e "SELECT REPEAT('x', 15000000)" >/dev/null
"#;

/// A run in which much crosses the link behind the moment that the session stands.
fn loud() -> Run {
    Run::held_with(|bench| {
        let legs = "        - {from: client-sidecar, to: egress, encrypted: mutual}
        - {from: egress, to: ingress, encrypted: mutual}
        - {from: ingress, to: server-sidecar, encrypted: mutual}
      database:
        rows: {query: SELECT 1";
        let call = "      CALL hold.until_released();\n";
        let bench = bench.with(call, &format!("{call}{LOUD}{LOUD}{LOUD}"));
        bench.with(
            &format!("      legs:\n{legs}"),
            "      database:\n        rows: {query: SELECT 1",
        )
    })
}

#[test]
fn a_capture_that_keeps_up_with_much_passes() {
    let mut run = loud();
    let Some(database) = run.stands() else { return };
    release(&database);
    let ended = run.end();
    assert_eq!(ended.code, 0, "{}", ended.stdout);
}

#[test]
fn a_capture_that_loses_packets_leaves_the_case_open_and_tells_how_many() {
    let mut run = loud();
    let Some(database) = run.stands() else { return };
    let capture = run.process("a capture", is_capture).unwrap();
    capture.signal(Signal::SIGSTOP);
    release(&database);
    let client = |process: &Process| process.runs("mysql");
    let over = |run: &Run| (!run.family().iter().any(client)).then_some(());
    run.until("the end of the client", over).unwrap();
    capture.signal(Signal::SIGCONT);
    assert_eq!(run.end().code, 2);
    let case = run.case("held");
    let verdict = &case.verdict;
    assert_eq!(verdict.status, Status::Inconclusive, "{verdict:#?}");
    let dropped = case.evidence.wire.unwrap().dropped;
    assert!(dropped > 0);
    let told = format!("not every byte was looked at: {dropped}");
    assert!(verdict.summary.contains(&told), "{verdict:#?}");
}
