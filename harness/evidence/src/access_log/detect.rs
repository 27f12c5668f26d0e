//! Tells the format of a log from what is known of it, and from its lines.

use thiserror::Error;

use super::builtin::BuiltIn;
use super::log::{LogError, Skipped, read_log};
use super::reader::{Reader, ReaderError};

/// The formats that a log can have.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    candidates: Vec<Candidate>,
}

/// A format, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// `Istio 1.8, TEXT`, `accessLogFormat`, ...
    pub name: String,
    /// Reads it.
    pub reader: Reader,
}

/// The format that a log has.
#[derive(Clone, Debug, PartialEq)]
pub struct Detected {
    /// It.
    pub format: Candidate,
    /// Formats whose lines look the same: which of them it is makes no difference to the values.
    pub same: Vec<String>,
    /// What was stepped over to tell.
    pub skipped: Skipped,
}

/// Why the format of a log cannot be told.
#[derive(Debug, Error)]
pub enum DetectError {
    /// No record.
    #[error(
        "access log format: no access-log line to tell it from, it can be that of {formats}; other lines: {skipped}"
    )]
    NoRecord {
        /// What it can be.
        formats: String,
        /// Lines that are none.
        skipped: usize,
    },
    /// None fits.
    #[error(
        "access log format: not that of {formats}; give the mesh's own (`accessLogFormat`). Read as that of {nearest}: {source}"
    )]
    NoneFits {
        /// What was tried.
        formats: String,
        /// The format by which most lines could be read.
        nearest: String,
        /// The first line that it cannot read.
        source: Box<LogError>,
    },
    /// Several fit, and give different values.
    #[error("access log format: the lines can be those of {first} and of {second}")]
    Ambiguous {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
}

/// Which of Istio's formats a line has; `None` for any other.
///
/// Lines of 1.9 to 1.22 and of later releases look the same and are taken for the later ones.
pub fn detect(line: &str) -> Option<BuiltIn> {
    BuiltIn::ALL
        .into_iter()
        .find(|built_in| built_in.reader().read(line).is_ok())
}

impl Expected {
    /// Nothing is known: any of Istio's.
    pub fn any_of_istio() -> Self {
        Self::built_in(|_| true)
    }

    /// Istio's own of one encoding, of whichever release.
    pub(super) fn of_istio(json: bool) -> Self {
        Self::built_in(|built_in| built_in.is_json() == json && built_in != BuiltIn::Failures)
    }

    /// The same where empty values are omitted.
    pub(super) fn of_istio_omitting(json: bool) -> Result<Self, ReaderError> {
        let candidate = |candidate: Candidate| {
            let omitting = candidate.reader.omitting_empty()?;
            let name = format!("{} with empty values omitted", candidate.name);
            Ok(Candidate {
                name,
                reader: omitting,
            })
        };
        let all = Self::of_istio(json).candidates.into_iter().map(candidate);
        Ok(Self {
            candidates: all.collect::<Result<_, ReaderError>>()?,
        })
    }

    /// Exactly this.
    pub fn known(name: &str, reader: Reader) -> Self {
        let name = name.to_owned();
        Self {
            candidates: vec![Candidate { name, reader }],
        }
    }

    fn built_in(wanted: impl Fn(BuiltIn) -> bool) -> Self {
        let candidate = |built_in: BuiltIn| Candidate {
            name: built_in.releases().to_owned(),
            reader: built_in.into(),
        };
        let wanted = BuiltIn::ALL
            .into_iter()
            .filter(|built_in| wanted(*built_in));
        Self {
            candidates: wanted.map(candidate).collect(),
        }
    }

    /// These or those.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for candidate in other.candidates {
            if self.candidates.iter().all(|c| c.reader != candidate.reader) {
                self.candidates.push(candidate);
            }
        }
        self
    }

    /// The formats, likeliest first. Never empty.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The one among them by which every record of `lines` can be read. Looks at no line where only
    /// one can be.
    pub fn settle<S: AsRef<str>>(&self, lines: &[S]) -> Result<Detected, DetectError> {
        if let [only] = self.candidates.as_slice() {
            return Ok(Detected {
                format: only.clone(),
                same: Vec::new(),
                skipped: Skipped::default(),
            });
        }
        let mut fitting: Vec<(&Candidate, Skipped)> = Vec::new();
        let mut failed: Vec<(&Candidate, LogError)> = Vec::new();
        for candidate in &self.candidates {
            match read_log(&candidate.reader, lines) {
                Ok(read) if read.lines.is_empty() => {}
                Ok(read) => fitting.push((candidate, read.skipped)),
                Err(error) => failed.push((candidate, error)),
            }
        }
        match fitting.split_first() {
            Some(((first, skipped), others)) => Self::one(first, *skipped, others),
            None => Err(self.none(failed, lines.len())),
        }
    }

    fn one(
        first: &Candidate,
        skipped: Skipped,
        others: &[(&Candidate, Skipped)],
    ) -> Result<Detected, DetectError> {
        let mut same = Vec::new();
        for (other, _) in others {
            if first.reader.looks_like(&other.reader) {
                same.push(other.name.clone());
            } else if !(is_istios(first) && is_istios(other)) {
                return Err(DetectError::Ambiguous {
                    first: first.name.clone(),
                    second: other.name.clone(),
                });
            }
        }
        Ok(Detected {
            format: first.clone(),
            same,
            skipped,
        })
    }

    fn none(&self, failed: Vec<(&Candidate, LogError)>, skipped: usize) -> DetectError {
        let formats = self.names();
        // Of formats that come equally far the first of the line's own encoding.
        let rank = |(candidate, error): &(&Candidate, LogError)| {
            let is_json = matches!(candidate.reader, Reader::Json(_));
            (error.number, is_json == error.line.starts_with('{'))
        };
        let nearest = failed.into_iter().rev().max_by_key(rank);
        match nearest {
            None => DetectError::NoRecord { formats, skipped },
            Some((candidate, source)) => DetectError::NoneFits {
                formats,
                nearest: candidate.name.clone(),
                source: Box::new(source),
            },
        }
    }

    fn names(&self) -> String {
        if self.candidates.iter().all(is_istios) {
            return "any release of Istio".to_owned();
        }
        let names: Vec<&str> = self.candidates.iter().map(|c| c.name.as_str()).collect();
        names.join(" or ")
    }
}

/// Among Istio's own formats their order decides.
fn is_istios(candidate: &Candidate) -> bool {
    BuiltIn::ALL
        .into_iter()
        .any(|built_in| candidate.reader == *built_in.reader())
}
