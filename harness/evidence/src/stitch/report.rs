//! Where and why a chain breaks.

use std::fmt;

use meshproof_record::Hop;

use crate::classify::name;

/// A chain's end before the last hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The last hop that was reached.
    pub after: Hop,
    /// The hop in whose log the next line was looked for.
    pub wanted: Hop,
    /// What is the matter.
    pub kind: BreakKind,
    /// What was looked for.
    pub looked_for: String,
    /// The nearest line, or for [`BreakKind::Ambiguous`] all that fit.
    pub candidates: Vec<Candidate>,
}

/// Kinds of breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakKind {
    /// The next hop logged nothing.
    NoLines,
    /// The last hop says itself that it never had a connection to the next.
    NotConnected,
    /// No line of the next hop fits.
    NoMatch,
    /// Several fit, or one fits several sessions.
    Ambiguous,
}

/// A line that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The line as logged.
    pub line: String,
    /// What in it speaks against it.
    pub differs: Vec<String>,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (after, wanted) = (name(self.after), name(self.wanted));
        write!(
            f,
            "chain breaks after {after}: looked in the log of {wanted} for {}; ",
            self.looked_for
        )?;
        match self.kind {
            BreakKind::NoLines => write!(f, "it has no new line"),
            BreakKind::NotConnected => write!(f, "{after} logged no connection to it"),
            BreakKind::NoMatch => write!(f, "no line fits"),
            BreakKind::Ambiguous => write!(
                f,
                "{} lines fit or are claimed twice",
                self.candidates.len()
            ),
        }?;
        for candidate in &self.candidates {
            let label = if self.kind == BreakKind::Ambiguous {
                "candidate"
            } else {
                "nearest"
            };
            write!(f, "; {label} `{}`", candidate.line)?;
            if !candidate.differs.is_empty() {
                write!(f, " ({})", candidate.differs.join(", "))?;
            }
        }
        Ok(())
    }
}
