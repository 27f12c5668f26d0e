//! Live progress on standard error: one line per cluster and case that redraws itself on a terminal,
//! plain lines elsewhere.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use meshproof_reports::one_line;

use super::{live_on_stderr, note};

/// Shows what goes on. Cheap enough to be told everything.
pub(crate) struct Live {
    kind: Kind,
}

enum Kind {
    Terminal {
        all: MultiProgress,
        lines: Mutex<HashMap<String, ProgressBar>>,
    },
    Plain {
        last: Mutex<HashMap<String, String>>,
    },
}

impl Live {
    /// Progress as standard error takes it.
    pub(crate) fn new() -> Self {
        let kind = if live_on_stderr() {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(30));
            Kind::Terminal {
                all,
                lines: Mutex::default(),
            }
        } else {
            Kind::Plain {
                last: Mutex::default(),
            }
        };
        Self { kind }
    }

    /// What `who` is doing now.
    pub(crate) fn doing(&self, who: &str, what: &str) {
        let (who, what) = (one_line(who), one_line(what));
        match &self.kind {
            Kind::Terminal { all, lines } => {
                let mut lines = locked(lines);
                let line = lines.entry(who.clone()).or_insert_with(|| {
                    let line = all.add(ProgressBar::new_spinner().with_style(style()));
                    line.set_prefix(who);
                    line
                });
                line.set_message(what);
                line.tick();
            }
            Kind::Plain { last } => {
                let mut last = locked(last);
                if last.get(&who) != Some(&what) {
                    note(&format!("{who}: {what}"));
                    last.insert(who, what);
                }
            }
        }
    }

    /// What became of `who`; its line stands still from now on.
    pub(crate) fn done(&self, who: &str, what: &str) {
        self.doing(who, what);
        if let Kind::Terminal { lines, .. } = &self.kind
            && let Some(line) = locked(lines).get(&one_line(who))
        {
            line.abandon();
        }
    }

    /// Something to know, which stays above the lines.
    pub(crate) fn note(&self, text: &str) {
        match &self.kind {
            Kind::Terminal { all, .. } => all.suspend(|| note(&one_line(text))),
            Kind::Plain { .. } => note(&one_line(text)),
        }
    }

    /// Takes the redrawn lines away: the table says it all again, and better.
    pub(crate) fn clear(&self) {
        if let Kind::Terminal { all, lines } = &self.kind {
            locked(lines).clear();
            // A terminal that went away is not worth an error.
            let _ = all.clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("  {prefix:28!} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// A panic elsewhere does not make progress lines wrong.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
