//! What was found on the way.

use std::fmt;

use meshproof_record::{Cause, Hop, word};
use serde::Serialize;

/// How a connection ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It reaches a program.
    Connected,
    /// Somebody on the path ends it.
    Refused,
    /// Nobody answers.
    Unreachable,
    /// What was given does not tell.
    Unknown,
}

/// One thing that happens on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Where.
    pub hop: Hop,
    /// The pod, as `cluster:namespace/name`; empty outside pods.
    pub pod: String,
    /// What it is about: `listener`, `filter chain`, `policy`, `route`, `cluster`, `tls`, `network`, ...
    pub subject: &'static str,
    /// What happens, in words.
    pub said: String,
}

/// A connection that was followed to its end.
#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    /// The pod that connects, `cluster:namespace/name`.
    pub from: String,
    /// `host:port`.
    pub to: String,
    /// How it ends.
    pub outcome: Ending,
    /// Who ends it; [`Hop::None`] for a connection that gets through.
    pub hop: Hop,
    /// Why.
    pub cause: Cause,
    /// The same as a sentence: what was found, and where it is configured.
    pub why: String,
    /// What happens on the way.
    pub steps: Vec<Step>,
    /// What manifests cannot tell, and what was taken for true in its place.
    pub assumed: Vec<String>,
    /// Other ends, where a route is weighted or endpoints differ: `outcome`, `hop`, `cause` and how they
    /// come about. The trace itself is the worst of them.
    pub others: Vec<String>,
}

impl Trace {
    /// `connected`, or such as `refused by ingress: sni-mismatch`.
    pub fn verdict(&self) -> String {
        verdict(&self.outcome, self.hop, self.cause)
    }
}

pub(crate) fn verdict(outcome: &Ending, hop: Hop, cause: Cause) -> String {
    let (hop, cause) = (word(hop), word(cause));
    match outcome {
        Ending::Connected => "connected".to_owned(),
        Ending::Refused => format!("refused by {hop}: {cause}"),
        Ending::Unreachable => format!("unreachable at {hop}: {cause}"),
        Ending::Unknown => "cannot be told".to_owned(),
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} -> {}", self.from, self.to)?;
        let mut place = None;
        for step in &self.steps {
            let here = Some((step.hop, &step.pod));
            if place != here {
                let pod = if step.pod.is_empty() {
                    String::new()
                } else {
                    format!("  {}", step.pod)
                };
                writeln!(f, "\n  {}{pod}", word(step.hop))?;
                place = here;
            }
            writeln!(f, "    {:<13} {}", step.subject, step.said)?;
        }
        writeln!(f, "\n{}", self.verdict())?;
        writeln!(f, "  {}", self.why)?;
        for other in &self.others {
            writeln!(f, "  also: {other}")?;
        }
        for assumed in &self.assumed {
            writeln!(f, "  assumed: {assumed}")?;
        }
        Ok(())
    }
}
