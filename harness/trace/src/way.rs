//! What happened on the way, and how it ended.

use meshproof_record::{Cause, Hop};

use crate::report::{Ending, Step, verdict};

/// What was found so far.
#[derive(Clone, Default)]
pub(crate) struct Way {
    pub(crate) steps: Vec<Step>,
    pub(crate) assumed: Vec<String>,
}

/// How a connection ends.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) outcome: Ending,
    pub(crate) hop: Hop,
    pub(crate) cause: Cause,
    pub(crate) why: String,
}

/// A way and its end.
pub(crate) struct Path {
    pub(crate) way: Way,
    pub(crate) end: End,
    pub(crate) others: Vec<String>,
}

impl End {
    pub(crate) fn refused(hop: Hop, cause: Cause, why: impl Into<String>) -> Self {
        let outcome = match cause {
            // Who finds nobody behind it refuses nothing.
            Cause::NoEndpoint | Cause::Dropped => Ending::Unreachable,
            _ => Ending::Refused,
        };
        Self {
            outcome,
            hop,
            cause,
            why: why.into(),
        }
    }

    pub(crate) fn unknown(hop: Hop, why: impl Into<String>) -> Self {
        Self {
            outcome: Ending::Unknown,
            hop,
            cause: Cause::None,
            why: why.into(),
        }
    }
}

impl Way {
    /// The same with one more step.
    pub(crate) fn and(mut self, hop: Hop, pod: &str, subject: &'static str, said: String) -> Self {
        self.steps.push(Step {
            hop,
            pod: pod.to_owned(),
            subject,
            said,
        });
        self
    }

    pub(crate) fn ends(self, end: End) -> Path {
        Path {
            way: self,
            end,
            others: Vec::new(),
        }
    }
}

/// Of several ways the worst, with the others named where they end otherwise.
pub(crate) fn worst(ways: Vec<(String, Path)>) -> Path {
    let rank = |path: &Path| match path.end.outcome {
        Ending::Refused => 0,
        Ending::Unreachable => 1,
        Ending::Unknown => 2,
        Ending::Connected => 3,
    };
    let key = |path: &Path| (path.end.outcome.clone(), path.end.hop, path.end.cause);
    let mut ways = ways;
    ways.sort_by_key(|(_, path)| rank(path));
    let mut ways = ways.into_iter();
    let Some((label, mut first)) = ways.next() else {
        let why = "there is nowhere to go".to_owned();
        return Way::default().ends(End::unknown(Hop::None, why));
    };
    let others: Vec<(String, Path)> = ways.filter(|(_, path)| key(path) != key(&first)).collect();
    if !others.is_empty() {
        first.end.why = format!("{} ({label})", first.end.why);
        let told = |(label, path): (String, Path)| {
            format!(
                "{label}: {}",
                verdict(&path.end.outcome, path.end.hop, path.end.cause)
            )
        };
        first.others.extend(others.into_iter().map(told));
    }
    first
}
