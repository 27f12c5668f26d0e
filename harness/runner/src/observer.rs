//! What goes on during a run, told as it happens.

use std::sync::Mutex;
use std::time::Duration;

use meshproof_cluster::Side;
use meshproof_record::Status;

/// Gets the events of a run, one at a time, in the order in which they happened.
pub trait Observer: Send + Sync {
    /// Something happened. Must be quick: the run waits for it.
    fn event(&self, event: &Event);
}

/// An event of a run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A scenario begins.
    Started {
        /// Its name.
        scenario: String,
        /// Names of the cases that will run, in order.
        cases: Vec<String>,
    },
    /// A step of the set-up begins.
    StepStarted {
        /// The cluster it is about, where it is about one.
        cluster: Option<Side>,
        /// What is done.
        what: String,
    },
    /// A step of the set-up is done.
    StepDone {
        /// The cluster it is about.
        cluster: Option<Side>,
        /// What was done.
        what: String,
        /// How long it took.
        took: Duration,
    },
    /// Something to know that stops nothing: configuration that stays inactive, for example.
    Note {
        /// The cluster it is about.
        cluster: Option<Side>,
        /// One line.
        text: String,
    },
    /// A case begins.
    CaseStarted {
        /// Its name.
        case: String,
    },
    /// A declared window is being held.
    Holding {
        /// The case.
        case: String,
        /// What is watched for.
        what: String,
        /// For how long.
        window: Duration,
    },
    /// A case is judged.
    CaseDone {
        /// Its name.
        case: String,
        /// Its verdict.
        status: Status,
        /// The verdict's sentence.
        summary: String,
        /// How long it took, holds included.
        took: Duration,
    },
    /// The scenario is at its end, all cases judged.
    Finished,
}

/// An observer that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Observer for Nobody {
    fn event(&self, _: &Event) {}
}

/// Passes events of concurrent work on, one after the other.
pub(crate) struct Feed<'a> {
    observer: &'a dyn Observer,
    turn: Mutex<()>,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(observer: &'a dyn Observer) -> Self {
        Self {
            observer,
            turn: Mutex::new(()),
        }
    }

    pub(crate) fn tell(&self, event: &Event) {
        let _turn = self
            .turn
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        self.observer.event(event);
    }
}
