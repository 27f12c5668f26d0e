//! How many requests were sent: a cluster's owner has a right to know, and so has who makes the harness better.

use std::ops::{AddAssign, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::safe::Shape;

/// Requests by kind, as the API server sees them: one that is sent again counts again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Those with an answer that ends by itself.
    pub plain: u64,
    /// Of all requests, those that were sent again.
    pub again: u64,
    /// Watches begun.
    pub watches: u64,
    /// Logs opened.
    pub logs: u64,
    /// Programs begun in containers.
    pub execs: u64,
    /// Ports of pods opened.
    pub port_forwards: u64,
}

impl Totals {
    /// Everything that stays open after its answer has begun.
    pub fn streams(&self) -> u64 {
        self.watches + self.logs + self.execs + self.port_forwards
    }
}

impl Sub for Totals {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            plain: self.plain - earlier.plain,
            again: self.again - earlier.again,
            watches: self.watches - earlier.watches,
            logs: self.logs - earlier.logs,
            execs: self.execs - earlier.execs,
            port_forwards: self.port_forwards - earlier.port_forwards,
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.plain += other.plain;
        self.again += other.again;
        self.watches += other.watches;
        self.logs += other.logs;
        self.execs += other.execs;
        self.port_forwards += other.port_forwards;
    }
}

/// Counts the requests of one cluster's client; every copy is the same counter.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    plain: AtomicU64,
    again: AtomicU64,
    watches: AtomicU64,
    logs: AtomicU64,
    execs: AtomicU64,
    port_forwards: AtomicU64,
}

impl Requests {
    /// Everything until now. The difference of two readings is what was sent between them.
    pub fn totals(&self) -> Totals {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Totals {
            plain: read(&self.counts.plain),
            again: read(&self.counts.again),
            watches: read(&self.counts.watches),
            logs: read(&self.counts.logs),
            execs: read(&self.counts.execs),
            port_forwards: read(&self.counts.port_forwards),
        }
    }

    pub(super) fn sent(&self, shape: Shape, attempt: u32) {
        let counts = &self.counts;
        let count = match shape {
            Shape::Plain => &counts.plain,
            Shape::Watch => &counts.watches,
            Shape::Log => &counts.logs,
            Shape::Exec => &counts.execs,
            Shape::PortForward => &counts.port_forwards,
        };
        count.fetch_add(1, Ordering::Relaxed);
        if attempt > 1 {
            counts.again.fetch_add(1, Ordering::Relaxed);
        }
    }
}
