//! What a run found so far: the record that is written whenever and however the run ends.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use meshproof_record::{Finding, Phase, Problem, RunRecord, SCHEMA, Tool, WaitTotal};
use meshproof_runner::ScenarioRun;

/// The run record in the making. Shared by whoever finds something.
pub(crate) struct Journal {
    begun: Instant,
    record: Mutex<RunRecord>,
    captures: Mutex<Vec<(String, Vec<u8>)>>,
}

impl Journal {
    /// Begins the record of a run that starts now.
    pub(crate) fn begin(provider: &str) -> Self {
        let now = Timestamp::now();
        let record = RunRecord {
            schema: SCHEMA.to_owned(),
            run_id: run_id(now),
            tool: Tool {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                commit: option_env!("MESHPROOF_COMMIT").map(str::to_owned),
            },
            provider: provider.to_owned(),
            started: instant(now),
            finished: instant(now),
            versions: [].into(),
            scenarios: Vec::new(),
            problems: Vec::new(),
            phases: Vec::new(),
            waits: Vec::new(),
            findings: Vec::new(),
        };
        Self {
            begun: Instant::now(),
            record: Mutex::new(record),
            captures: Mutex::default(),
        }
    }

    /// The run's name.
    pub(crate) fn run_id(&self) -> String {
        self.locked().run_id.clone()
    }

    /// Adds what became of a scenario that began at `from`.
    pub(crate) fn add(&self, run: ScenarioRun, from: Instant) {
        let offset_ms = from.saturating_duration_since(self.begun).as_secs_f64() * 1000.0;
        let phases = run.phases.into_iter().map(|phase| Phase {
            start_ms: phase.start_ms + offset_ms,
            ..phase
        });
        let scenario = run.scenario.name.clone();
        let named = |(case, packets)| (format!("{scenario}.{case}"), packets);
        self.captures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(run.captures.into_iter().map(named));
        let mut record = self.locked();
        record.phases.extend(phases);
        add_waits(&mut record.waits, run.waits);
        record.versions.extend(run.versions);
        record.problems.extend(run.problems);
        record.scenarios.push(run.scenario);
    }

    /// What passed the link during cases, as pcapng, by `scenario.case`.
    pub(crate) fn captures(&self) -> Vec<(String, Vec<u8>)> {
        let mut captures = self.captures.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *captures)
    }

    /// Puts the scenarios into the order in which they were given, by their files.
    pub(crate) fn sort(&self, files: &[&str]) {
        let place = |file: &str| files.iter().position(|given| *given == file);
        self.locked()
            .scenarios
            .sort_by_key(|scenario| place(&scenario.file));
    }

    /// Something kept the run from its work.
    pub(crate) fn problem(&self, during: &str, message: &str) {
        let problem = Problem {
            during: during.to_owned(),
            message: message.to_owned(),
        };
        let mut record = self.locked();
        // A runner that was told to stop says so itself.
        if !record
            .problems
            .iter()
            .any(|known| known.message == problem.message)
        {
            record.problems.push(problem);
        }
    }

    /// What was looked at before anything was created.
    pub(crate) fn findings(&self, findings: &[Finding]) {
        self.locked().findings = findings.to_vec();
    }

    /// A stretch of time that began at `from` and ends now.
    pub(crate) fn phase(&self, name: &str, from: Instant) {
        let phase = Phase {
            name: name.to_owned(),
            start_ms: from.saturating_duration_since(self.begun).as_secs_f64() * 1000.0,
            duration_ms: from.elapsed().as_secs_f64() * 1000.0,
        };
        self.locked().phases.push(phase);
    }

    /// The record of a run that ends now.
    pub(crate) fn end(&self) -> RunRecord {
        self.phase("run", self.begun);
        let mut record = self.locked().clone();
        record.finished = instant(Timestamp::now());
        record
    }

    /// A panic while the record was held leaves at worst a half-told scenario.
    fn locked(&self) -> MutexGuard<'_, RunRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds what one scenario waited for to what others did, kind by kind.
fn add_waits(all: &mut Vec<WaitTotal>, waits: Vec<WaitTotal>) {
    for wait in waits {
        match all.iter_mut().find(|known| known.what == wait.what) {
            Some(known) => {
                known.times += wait.times;
                known.total_ms += wait.total_ms;
                known.longest_ms = known.longest_ms.max(wait.longest_ms);
            }
            None => all.push(wait),
        }
    }
}

/// A name that sorts by time and that two runs started at once do not share.
fn run_id(now: Timestamp) -> String {
    let time = now.strftime("%Y%m%d-%H%M%S");
    let part = now.subsec_nanosecond().unsigned_abs() / 1_000_000;
    format!("{time}-{part:03}-{:x}", std::process::id())
}

/// RFC 3339 in UTC, milliseconds.
fn instant(now: Timestamp) -> String {
    format!("{now:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_record_promises() {
        let time: Timestamp = "2026-03-01T10:11:12.0345678Z".parse().unwrap();
        assert_eq!(instant(time), "2026-03-01T10:11:12.034Z");
        assert_eq!(
            run_id(time),
            format!("20260301-101112-034-{:x}", std::process::id())
        );
    }

    #[test]
    fn what_was_found_is_there_at_the_end() {
        let journal = Journal::begin("embedded");
        journal.problem("start clusters", "no room");
        let record = journal.end();
        assert_eq!(record.problems.len(), 1);
        assert_eq!(record.phases[0].name, "run");
    }
}
