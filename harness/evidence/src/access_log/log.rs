//! Reads the output of a proxy's container, in which the access log is not alone.

use std::borrow::Cow;

use thiserror::Error;

use super::format::Format;
use super::line::HopLine;
use super::program::is_program_line;
use super::reader::{ReadError, Reader};
use super::verification::Verifications;

/// What an output held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadLog {
    /// The records.
    pub lines: Vec<HopLine>,
    /// What was stepped over.
    pub skipped: Skipped,
}

/// Lines that belong to no record, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// What programs printed about themselves.
    pub programs: usize,
    /// What followed such a line and is like no record: the rest of what was printed.
    pub continuations: usize,
    /// Blank lines.
    pub blank: usize,
}

/// A line that is no record and that no program printed about itself. It may be the one that tells.
#[derive(Debug, Error)]
#[error("line {number}: {source}")]
pub struct LogError {
    /// Counted from 1.
    pub number: usize,
    /// The line.
    pub line: String,
    /// Why it is no record.
    pub source: ReadError,
}

/// Reads all lines. What programs print about themselves is stepped over and counted; any other line
/// that is no record of the format is an error. What a proxy printed about a certificate that it did not
/// accept completes the record of that connection, wherever it stands.
pub fn read_log<S: AsRef<str>>(reader: &Reader, lines: &[S]) -> Result<ReadLog, LogError> {
    let mut read = ReadLog::default();
    let mut verifications = Verifications::default();
    let (mut at, mut after_program) = (0, false);
    while let Some(line) = lines.get(at).map(AsRef::as_ref) {
        match reader.read(&record(lines, at, reader.height())) {
            Ok(found) => {
                read.lines.push(found);
                at += reader.height();
                after_program = false;
                continue;
            }
            Err(_) if line.trim().is_empty() => read.skipped.blank += 1,
            Err(_) if is_program_line(line) => {
                read.skipped.programs += 1;
                verifications.take(line);
                after_program = true;
            }
            Err(_) if after_program && !reader.resembles(line) => read.skipped.continuations += 1,
            Err(source) => {
                return Err(LogError {
                    number: at + 1,
                    line: line.to_owned(),
                    source,
                });
            }
        }
        at += 1;
    }
    verifications.explain(&mut read.lines);
    Ok(read)
}

fn record<S: AsRef<str>>(lines: &[S], at: usize, height: usize) -> Cow<'_, str> {
    if height == 1 {
        return Cow::Borrowed(lines[at].as_ref());
    }
    let end = lines.len().min(at + height);
    let lines: Vec<&str> = lines[at..end].iter().map(AsRef::as_ref).collect();
    Cow::Owned(lines.join("\n"))
}

impl Skipped {
    /// All of them.
    pub fn total(&self) -> usize {
        self.programs + self.continuations + self.blank
    }
}

impl Reader {
    /// Whether a line could be a damaged record. In doubt it is: a record must not be lost.
    fn resembles(&self, line: &str) -> bool {
        match self {
            Self::Json(_) => line.starts_with('{') || line.contains("\":"),
            Self::Text(format) if format.height() > 1 => true,
            Self::Text(format) => format.resembles(line),
        }
    }
}

impl Format {
    /// Begins as a record does, or has half of what stands between the values, in order.
    fn resembles(&self, line: &str) -> bool {
        if !self.head.is_empty() && line.starts_with(&self.head) {
            return true;
        }
        let literals = self.literals().filter(|literal| !literal.is_empty());
        let (blank, telling): (Vec<&str>, Vec<&str>) =
            literals.partition(|literal| literal.trim().is_empty());
        let sought = if telling.len() > 1 { telling } else { blank };
        let mut rest = line;
        let mut found = 0;
        for literal in &sought {
            if let Some((_, behind)) = rest.split_once(literal) {
                rest = behind;
                found += 1;
            }
        }
        2 * found >= sought.len()
    }
}
