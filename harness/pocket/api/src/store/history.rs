//! The bounded history of one kind.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use crate::kinds::Kind;

/// Changes kept per kind. A watcher further behind is told to list again (410).
const KEPT: usize = 1024;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// It came to be.
    Added,
    /// It changed.
    Modified,
    /// It went; the object is its last state.
    Deleted,
}

impl EventType {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One change of one object.
#[derive(Debug, Clone)]
pub struct Event {
    /// Kind of the object.
    pub kind: Kind,
    /// What happened.
    pub event_type: EventType,
    /// The object after the change; for a deletion its last state, with the deletion's revision.
    pub object: Arc<Value>,
    /// The object before the change, `None` for an addition.
    pub previous: Option<Arc<Value>>,
    /// The revision that the change got.
    pub revision: u64,
}

/// The last changes of one kind, oldest first.
pub(super) struct History {
    events: VecDeque<Event>,
    /// Changes at or before this revision may be missing.
    forgotten: u64,
}

impl History {
    pub(super) fn new(revision: u64) -> Self {
        Self {
            events: VecDeque::new(),
            forgotten: revision.saturating_sub(1),
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        if self.events.len() == KEPT
            && let Some(oldest) = self.events.pop_front()
        {
            self.forgotten = oldest.revision;
        }
        self.events.push_back(event);
    }

    /// The changes after `revision`, or the oldest revision that can be asked for.
    pub(super) fn after(&self, revision: u64) -> Result<impl Iterator<Item = &Event>, u64> {
        if revision < self.forgotten {
            return Err(self.forgotten);
        }
        let start = self
            .events
            .partition_point(|event| event.revision <= revision);
        Ok(self.events.range(start..))
    }
}
