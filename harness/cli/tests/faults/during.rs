//! Processes of a run that end while a session of a case is open.

use meshproof_record::{Hop, Status, word};
use nix::sys::signal::Signal;

use crate::bench::Bench;
use crate::held::{Run, release};
use crate::processes::Process;

#[test]
fn a_session_that_is_held_and_let_go_passes() {
    let mut run = Run::held();
    let Some(database) = run.stands() else { return };
    release(&database);
    let ended = run.end();
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(run.case("held").verdict.status, Status::Pass);
}

/// Kills a process while the session is open: the case is left open, and the hop named. It is there again
/// before the run ends.
fn killed(hop: Hop, is: impl Fn(&Process) -> bool) {
    let mut run = Run::held_with(|bench| bench.with("hold: 200ms", "hold: 2s"));
    if run.stands().is_none() {
        return;
    }
    let victim = run.process("the process to be killed", &is).unwrap();
    victim.signal(Signal::SIGKILL);
    let other = |process: &Process| is(process) && !process.is(&victim);
    run.process("its successor", other).unwrap();
    let code = run.end().code;
    let case = run.case("held");
    let (verdict, hop) = (&case.verdict, word(hop));
    assert_eq!(
        (code, verdict.status),
        (2, Status::Inconclusive),
        "{case:#?}"
    );
    for part in ["during query", &format!("no lasting {hop}"), "ended"] {
        assert!(verdict.summary.contains(part), "{part}: {verdict:#?}");
    }
    assert_eq!(
        run.case("sql-crosses-encrypted").verdict.status,
        Status::Pass
    );
    // What ended during one case is no news in the next.
    for later in ["no-sidecar-mysql-port", "no-sidecar-gateway-port"] {
        let case = run.case(later);
        let news = |source: &str| source.starts_with("lasting");
        let missing = &case.evidence.missing;
        assert!(!missing.iter().any(|one| news(&one.source)), "{missing:#?}");
        assert_ne!(case.verdict.status, Status::Fail, "{:#?}", case.verdict);
    }
}

#[test]
fn the_clients_sidecar_is_killed() {
    killed(Hop::ClientSidecar, |process| {
        process.is_proxy_of("mysql-client-1")
    });
}

#[test]
fn the_egress_gateway_is_killed() {
    killed(Hop::Egress, |process| {
        process.is_proxy_of("istio-egressgateway")
    });
}

#[test]
fn the_ingress_gateway_is_killed() {
    killed(Hop::Ingress, |process| {
        process.is_proxy_of("istio-ingressgateway")
    });
}

#[test]
fn the_databases_sidecar_is_killed() {
    killed(Hop::ServerSidecar, |process| {
        process.is_proxy_of("mysql-") && !process.is_proxy_of("mysql-client")
    });
}

#[test]
fn the_database_restarts() {
    killed(Hop::Mysqld, |process| process.runs("mysqld"));
}

/// The case of a database that never greets, in which the prober waits for so long.
fn waiting(hold: &str) -> Run {
    let bench = Bench::of("database.yaml").with("hold: 300ms", &format!("hold: {hold}"));
    Run::start(bench, "database-that-never-greets")
}

fn is_prober(process: &Process) -> bool {
    process.runs("meshproof-probe") && process.does("connect")
}

#[test]
fn a_prober_that_is_left_alone_passes() {
    let mut run = waiting("300ms");
    if run.process("a prober", is_prober).is_none() {
        return;
    }
    let ended = run.end();
    assert_eq!(ended.code, 0, "{}", ended.stdout);
}

#[test]
fn a_prober_that_is_killed_leaves_the_case_open() {
    let mut run = waiting("10s");
    let Some(prober) = run.process("a prober", is_prober) else {
        return;
    };
    prober.signal(Signal::SIGKILL);
    let code = run.end().code;
    let case = run.case("database-that-never-greets");
    assert_eq!(
        (code, case.verdict.status),
        (2, Status::Inconclusive),
        "{case:#?}"
    );
    let told = "the prober ended with exit code 137 and no report";
    assert!(case.verdict.summary.contains(told), "{:#?}", case.verdict);
}
