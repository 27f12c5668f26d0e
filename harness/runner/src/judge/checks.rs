//! The list of checks, and what follows from it.

use meshproof_record::{Check, Status};

/// Checks in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Checks {
    list: Vec<Check>,
    breach: Option<usize>,
    void: Option<usize>,
}

impl Checks {
    pub(super) fn pass(&mut self, what: impl Into<String>, detail: impl Into<String>) {
        self.push(what, Status::Pass, detail);
    }

    pub(super) fn fail(&mut self, what: impl Into<String>, detail: impl Into<String>) {
        self.push(what, Status::Fail, detail);
    }

    pub(super) fn unknown(&mut self, what: impl Into<String>, detail: impl Into<String>) {
        self.push(what, Status::Inconclusive, detail);
    }

    /// Passes or fails.
    pub(super) fn expect(
        &mut self,
        good: bool,
        what: impl Into<String>,
        detail: impl Into<String>,
    ) {
        self.push(what, if good { Status::Pass } else { Status::Fail }, detail);
    }

    /// Something got through that must not: no control is needed to see that.
    pub(super) fn breach(&mut self, what: impl Into<String>, detail: impl Into<String>) {
        self.breach.get_or_insert(self.list.len());
        self.fail(what, detail);
    }

    /// Something else than what is judged may have refused (the control did not pass, a proxy ended), so
    /// that a refusal means nothing.
    pub(super) fn void(&mut self, what: impl Into<String>, detail: impl Into<String>) {
        self.void.get_or_insert(self.list.len());
        self.unknown(what, detail);
    }

    fn push(&mut self, what: impl Into<String>, status: Status, detail: impl Into<String>) {
        self.list.push(Check {
            what: what.into(),
            status,
            detail: detail.into(),
        });
    }

    pub(super) fn status(&self) -> Status {
        let has = |status| self.list.iter().any(|check| check.status == status);
        if self.breach.is_some() {
            Status::Fail
        } else if self.void.is_some() || self.list.is_empty() {
            Status::Inconclusive
        } else if has(Status::Fail) {
            Status::Fail
        } else if has(Status::Inconclusive) {
            Status::Inconclusive
        } else {
            Status::Pass
        }
    }

    /// The check that decided, in one sentence.
    pub(super) fn reason(&self) -> String {
        let first = |status| self.list.iter().position(|check| check.status == status);
        let deciding = self
            .breach
            .or(self.void)
            .or_else(|| first(Status::Fail))
            .or_else(|| first(Status::Inconclusive));
        deciding.and_then(|index| self.list.get(index)).map_or_else(
            || "nothing was checked".to_owned(),
            |check| format!("{}: {}", check.what, check.detail),
        )
    }

    pub(super) fn into_list(self) -> Vec<Check> {
        self.list
    }
}
