//! Where the time of a run goes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use meshproof_cluster::Side;
use meshproof_record::Phase;

use crate::observer::{Event, Feed};

/// Measures steps and tells the observer of them.
pub(crate) struct Timing<'a> {
    start: Instant,
    feed: Feed<'a>,
    phases: Mutex<Vec<Phase>>,
}

impl<'a> Timing<'a> {
    pub(crate) fn new(feed: Feed<'a>) -> Self {
        Self {
            start: Instant::now(),
            feed,
            phases: Mutex::default(),
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
