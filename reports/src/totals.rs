//! How many cases ended how.

use meshproof_record::{CaseRecord, RunRecord, Status};

/// Number of cases by verdict, and the time that was spent by declaration.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Conformant, and shown to be.
    pub passed: usize,
    /// Not conformant.
    pub failed: usize,
    /// Not established.
    pub inconclusive: usize,
    /// Not run, for a stated reason.
    pub skipped: usize,
    /// Milliseconds in windows that cases held open to see that something does not happen.
    pub hold_ms: f64,
}

impl Totals {
    /// Counts the cases of a whole run.
    pub fn of(record: &RunRecord) -> Self {
        let mut totals = Self::default();
        for case in record.scenarios.iter().flat_map(|scenario| &scenario.cases) {
            totals.add(case);
        }
        totals
    }

    /// Number of cases.
    pub fn cases(&self) -> usize {
        self.passed + self.failed + self.inconclusive + self.skipped
    }

    fn add(&mut self, case: &CaseRecord) {
        match case.verdict.status {
            Status::Pass => self.passed += 1,
            Status::Fail => self.failed += 1,
            Status::Inconclusive => self.inconclusive += 1,
            Status::Skipped => self.skipped += 1,
        }
        self.hold_ms += case.evidence.holds.iter().map(|hold| hold.ms).sum::<f64>();
    }
}
