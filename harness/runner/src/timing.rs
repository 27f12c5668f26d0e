//! Where the time of a run goes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use meshproof_cluster::Side;
use meshproof_record::{Phase, WaitTotal};

use crate::observer::{Event, Feed};

/// What is waited for, told apart in profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wait {
    /// Objects being written.
    Write,
    /// Configuration becoming active.
    Active,
    /// Commands in pods.
    Command,
    /// Access-log lines.
    Lines,
    /// A window in which nothing may happen.
    Hold,
    /// The database's counters and rows.
    Database,
    /// Packets of the link.
    Wire,
}

impl Wait {
    /// As profiles name it.
    fn name(self) -> &'static str {
        match self {
            Self::Write => "writing objects",
            Self::Active => "configuration to be active",
            Self::Command => "commands in pods",
            Self::Lines => "access-log lines",
            Self::Hold => "hold windows",
            Self::Database => "the database",
            Self::Wire => "packets of the link",
        }
    }
}

/// How often something was waited for, and how long.
#[derive(Clone, Copy, Debug, Default)]
struct Waited {
    times: u32,
    total: Duration,
    longest: Duration,
}

/// Measures steps and tells the observer of them.
pub(crate) struct Timing<'a> {
    start: Instant,
    feed: Feed<'a>,
    phases: Mutex<Vec<Phase>>,
    waits: Mutex<BTreeMap<Wait, Waited>>,
}

impl<'a> Timing<'a> {
    pub(crate) fn new(feed: Feed<'a>) -> Self {
        Self {
            start: Instant::now(),
            feed,
            phases: Mutex::default(),
            waits: Mutex::default(),
        }
    }

    pub(crate) fn tell(&self, event: &Event) {
        self.feed.tell(event);
    }

    /// Does a step, measured and told of. A step that fails is measured too.
    pub(crate) async fn step<T>(
        &self,
        cluster: Option<Side>,
        what: &str,
        work: impl Future<Output = T>,
    ) -> T {
        self.tell(&Event::StepStarted {
            cluster,
            what: what.to_owned(),
        });
        let started = Instant::now();
        let result = work.await;
        let took = started.elapsed();
        let name = cluster.map_or_else(|| what.to_owned(), |side| format!("{side}: {what}"));
        self.record(name, started, took);
        self.tell(&Event::StepDone {
            cluster,
            what: what.to_owned(),
            took,
        });
        result
    }

    /// Waits for something, counted by its kind.
    pub(crate) async fn wait<T>(&self, kind: Wait, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let result = work.await;
        let took = started.elapsed();
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = waits.entry(kind).or_default();
        waited.times += 1;
        waited.total += took;
        waited.longest = waited.longest.max(took);
        result
    }

    /// Everything that was waited for, by kind.
    pub(crate) fn waits(&self) -> Vec<WaitTotal> {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let total = |(kind, waited): (&Wait, &Waited)| WaitTotal {
            what: kind.name().to_owned(),
            times: waited.times,
            total_ms: waited.total.as_secs_f64() * 1000.0,
            longest_ms: waited.longest.as_secs_f64() * 1000.0,
        };
        waits.iter().map(total).collect()
    }

    pub(crate) fn record(&self, name: String, started: Instant, took: Duration) {
        let phase = Phase {
            name,
            start_ms: started.duration_since(self.start).as_secs_f64() * 1000.0,
            duration_ms: took.as_secs_f64() * 1000.0,
        };
        self.phases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(phase);
    }

    pub(crate) fn phases(&self) -> Vec<Phase> {
        let mut phases = self
            .phases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        phases.sort_by(|a, b| a.start_ms.total_cmp(&b.start_ms));
        phases
    }
}
