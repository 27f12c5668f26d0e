//! Explains a recorded session: who ended it, why, and how that is known.
//!
//! Records are JSON objects, one a line, in the form of the recorded failures. What they say of
//! themselves (`id`, `what`, `truth`) is not looked at.

mod read;

use meshproof_record::{Cause, Hop, Observed, Outcome};
use serde::Serialize;

use crate::attribution::{Attribution, attribute};
use crate::words;
pub use read::RecordError;
use read::{Known, Record};

/// Which columns of a log line are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// All.
    AsRecorded,
    /// Those of Istio's default format.
    Default,
}

/// How sure an explanation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Confidence {
    /// Nothing else fits the evidence.
    #[serde(rename = "certain")]
    Certain,
    /// Several things fit; other evidence would tell.
    #[serde(rename = "cannot be told")]
    CannotBeTold,
    /// The evidence contradicts itself.
    #[serde(rename = "inconclusive")]
    Inconclusive,
}

/// What became of a recorded session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    /// How it ended, where that is certain.
    pub outcome: Option<Outcome>,
    /// Who ended it; `none` where it got through.
    pub hop: Option<Hop>,
    /// Why; `none` where it got through.
    pub cause: Option<Cause>,
    /// How sure that is.
    pub confidence: Confidence,
    /// The same for people.
    pub sentence: String,
    /// What each source shows.
    pub evidence: Vec<Evidence>,
    /// What cannot be true together.
    pub contradictions: Vec<String>,
    /// What is left where it is not certain, if that much is known.
    pub fits: Vec<Observed>,
    /// Evidence that would tell, where it is not certain.
    pub needs: Vec<String>,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// `client`, `network`, `database`; `cause` and `effect` for what proxies and alerts say.
    pub source: String,
    /// What it shows.
    pub shows: String,
}

/// Explains one record.
pub fn explain(record: &str, shape: Shape) -> Result<Explained, RecordError> {
    let known = Known::of(Record::read(record)?, shape)?;
    Ok(Explained::of(attribute(&known.signs())))
}

impl Explained {
    fn of(found: Attribution) -> Self {
        let confidence = match found.observed {
            Some(_) => Confidence::Certain,
            None if found.contradictions.is_empty() => Confidence::CannotBeTold,
            None => Confidence::Inconclusive,
        };
        Self {
            outcome: found.observed.map(|observed| observed.outcome),
            hop: found.observed.map(|observed| observed.hop),
            cause: found.observed.map(|observed| observed.cause),
            confidence,
            sentence: sentence(&found, confidence),
            evidence: found
                .evidence
                .into_iter()
                .map(|shown| Evidence {
                    source: shown.source,
                    shows: shown.shows,
                })
                .collect(),
            contradictions: found.contradictions,
            fits: found.fits,
            needs: found.needs,
        }
    }
}

fn sentence(found: &Attribution, confidence: Confidence) -> String {
    match (found.observed, confidence) {
        (Some(observed), _) => format!("{}: {}", words::observed(observed), found.how),
        (None, Confidence::Inconclusive) => format!("inconclusive: {}", found.how),
        (None, _) => format!(
            "cannot be told, needs {}: {}",
            found.needs.join("; "),
            found.how
        ),
    }
}
