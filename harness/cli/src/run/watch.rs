//! The runner's events, as progress for people.

use std::sync::Mutex;

use meshproof_record::Status;
use meshproof_runner::{Event, Observer};

use crate::show::live::Live;

/// Turns events into lines.
pub(crate) struct Watch<'a> {
    live: &'a Live,
    scenario: Mutex<String>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(live: &'a Live) -> Self {
        Self {
            live,
            scenario: Mutex::default(),
        }
    }
}

impl Observer for Watch<'_> {
    fn event(&self, event: &Event) {
        let mut scenario = self
            .scenario
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let about = |cluster: &Option<meshproof_cluster::Side>| {
            cluster.map_or_else(
                || scenario.clone(),
                |side| format!("{scenario}, cluster {side}"),
            )
        };
        let named = |case: &str| format!("{scenario}::{case}");
        match event {
            Event::Started {
                scenario: name,
                cases,
            } => {
                scenario.clone_from(name);
                let text = format!("{} cases", cases.len());
                self.live.doing(name, &text);
            }
            Event::StepStarted { cluster, what } => self.live.doing(&about(cluster), what),
            Event::StepDone {
                cluster,
                what,
                took,
            } => {
                self.live
                    .doing(&about(cluster), &format!("{what}: {} ms", took.as_millis()));
            }
            Event::Note { cluster, text } => self.live.note(&format!("{}: {text}", about(cluster))),
            Event::CaseStarted { case } => self.live.doing(&named(case), "running"),
            Event::Holding { case, what, window } => {
                self.live.doing(
                    &named(case),
                    &format!("watching for {} ms: {what}", window.as_millis()),
                );
            }
            Event::CaseDone {
                case,
                status,
                summary,
                took,
            } => {
                let verdict = verdict(*status);
                self.live.done(
                    &named(case),
                    &format!("{verdict} in {} ms: {summary}", took.as_millis()),
                );
            }
            Event::Finished => self.live.done(&scenario, "finished"),
            // Events of later versions are for later versions.
            _ => {}
        }
    }
}

fn verdict(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Fail => "fail",
        Status::Inconclusive => "inconclusive",
        Status::Skipped => "skipped",
    }
}
