//! The processes of a run, and whether they are gone.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// How long the kernel may take to end what is in a PID namespace.
const SOON: Duration = Duration::from_secs(5);

/// A process: its number, and its start in clock ticks, since numbers are used again.
type Process = (u32, u64);

/// A process and all its descendants at one moment.
pub(crate) struct Family(BTreeSet<Process>);

impl Family {
    pub(crate) fn of(root: u32) -> Self {
        let all: Vec<(Process, u32)> = everyone().collect();
        let mut family: BTreeSet<Process> = all
            .iter()
            .map(|(one, _)| *one)
            .filter(|one| one.0 == root)
            .collect();
        loop {
            let grown: Vec<Process> = all
                .iter()
                .filter(|(one, parent)| {
                    !family.contains(one) && family.iter().any(|known| known.0 == *parent)
                })
                .map(|(one, _)| *one)
                .collect();
            if grown.is_empty() {
                return Self(family);
            }
            family.extend(grown);
        }
    }

    /// Whether the root had started anything by then.
    #[allow(
        dead_code,
        reason = "one of the two users of this file kills at moments of its own choice"
    )]
    pub(crate) fn is_more_than_one(&self) -> bool {
        self.0.len() > 1
    }

    /// Fails unless every process of the family ends soon. What it had started by then is known;
    /// what it started later has the same namespaces and the same end.
    pub(crate) fn assert_gone(&self) {
        assert!(self.0.len() > 1, "the run had no processes to leave behind");
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            if self.left().is_empty() {
                return;
            }
            std::thread::yield_now();
        }
        panic!("still there: {:?}", self.left());
    }

    fn left(&self) -> Vec<Process> {
        everyone()
            .map(|(one, _)| one)
            .filter(|one| self.0.contains(one))
            .collect()
    }
}

/// Every process and its parent. Fields 4 and 22 of `proc_pid_stat(5)`, after the name in parentheses.
fn everyone() -> impl Iterator<Item = (Process, u32)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // A zombie is gone but for its exit code.
        (fields[0] != "Z").then_some(((pid, fields[19].parse().ok()?), fields[1].parse().ok()?))
    })
}
