//! A run with a session that stands until the test lets it go, so that a fault comes while it is open.
//!
//! The session says that it stands by making a database, which is a folder of the server, and waits for a
//! file there. Both are seen through `/proc`: nobody has to guess how long anything takes.

use std::fs;
use std::process::{Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use meshproof_record::CaseRecord;

use crate::bench::{Bench, Ended, able};
use crate::processes::{Process, family};

/// How long a condition may take to come: a bound for a run that does not get there at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked. Nobody tells when a process appears.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The folder that the session makes, and the file that it waits for.
const STANDS: &str = "held";
const RELEASED: &str = "released";

/// What the scenario has the database prepare, and the case that calls it.
const PREPARE: &str = "  prepare:
    - CREATE DATABASE hold
    - >-
      CREATE PROCEDURE hold.until_released() BEGIN CREATE DATABASE held;
      WHILE LOAD_FILE(CONCAT(@@datadir, 'released')) IS NULL DO DO SLEEP(0.005); END WHILE; END
cases:
";
const CASE: &str = "  - name: held
    from: mysql-client-1
    to: ${SERVICE_URL}:3306
    sql: |
      CALL hold.until_released();
      SELECT 'the session was let go';
    expect:
      outcome: connected
      rows: [[the session was let go]]
      link: secret
      legs:
        - {from: client-sidecar, to: egress, encrypted: mutual}
        - {from: egress, to: ingress, encrypted: mutual}
        - {from: ingress, to: server-sidecar, encrypted: mutual}
      database:
        rows: {query: SELECT 1, equal: [[\"1\"]]}

";

/// A run under way.
pub(crate) struct Run {
    pub(crate) bench: Bench,
    pid: u32,
    output: Receiver<Output>,
    over: Option<Ended>,
}

impl Run {
    /// The tutorial's scenario with the case `held` behind its control.
    pub(crate) fn held() -> Self {
        Self::held_with(|bench| bench)
    }

    /// The same with something changed in it.
    pub(crate) fn held_with(change: impl Fn(Bench) -> Bench) -> Self {
        let next = "  - name: no-sidecar-mysql-port\n";
        let bench = Bench::new()
            .with("cases:\n", PREPARE)
            .with(next, &format!("{CASE}{next}"));
        Self::start(change(bench), ".*")
    }

    /// Starts the cases that match.
    pub(crate) fn start(bench: Bench, cases: &str) -> Self {
        let mut command = bench.command();
        command.args(["--case", cases]).stdin(Stdio::null());
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (pid, (sender, output)) = (child.id(), channel());
        std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
        Self {
            bench,
            pid,
            output,
            over: None,
        }
    }

    /// Waits for something to be there; nothing where the machine cannot run scenarios.
    pub(crate) fn until<T>(&mut self, what: &str, look: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(found) = look(self) {
                return Some(found);
            }
            match self.output.recv_timeout(LOOK_EVERY) {
                Err(RecvTimeoutError::Timeout) => {}
                Err(error) => panic!("waiting for {what}: {error}"),
                Ok(output) => {
                    let ended = able(Ended::of(output))?;
                    panic!(
                        "the run ended before {what}:\n{}{}",
                        ended.stdout, ended.stderr
                    );
                }
            }
        }
        panic!("within {PATIENCE:?} there was not {what}");
    }

    /// A process of this run, as soon as there is one.
    pub(crate) fn process(&mut self, what: &str, is: impl Fn(&Process) -> bool) -> Option<Process> {
        self.until(what, |run| {
            run.family().into_iter().find(|process| is(process))
        })
    }

    /// The processes of this run.
    pub(crate) fn family(&self) -> Vec<Process> {
        family(self.pid)
    }

    /// Waits until the session stands, and returns the database that serves it.
    pub(crate) fn stands(&mut self) -> Option<Process> {
        let serves = |process: &Process| {
            process.runs("mysqld") && process.working_folder().join(STANDS).is_dir()
        };
        self.process("a session that is held", serves)
    }

    /// Waits for the end of the run.
    pub(crate) fn end(&mut self) -> &Ended {
        let output = self.output.recv_timeout(PATIENCE).unwrap();
        self.over.insert(Ended::of(output))
    }

    /// What became of a case.
    pub(crate) fn case(&self, name: &str) -> CaseRecord {
        let record = self.bench.record();
        let mut cases = record.scenarios[0].cases.iter();
        cases.find(|case| case.name == name).unwrap().clone()
    }
}

/// Lets the session go on that a database serves.
pub(crate) fn release(database: &Process) {
    fs::write(database.working_folder().join(RELEASED), "now").unwrap();
}
