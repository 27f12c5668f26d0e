//! Cuts a line at the literals of its format.

use std::ops::Range;

use memchr::memchr;
use thiserror::Error;

use super::format::{Format, MAX_OPERATORS};
use super::logged::Logged;
use super::operator::Operator;

/// The values of one line, borrowed from it. Takes no memory of its own.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    format: &'a Format,
    line: &'a str,
    spans: Spans,
}

type Spans = [(u32, u32); MAX_OPERATORS];

/// A line that its format cannot have produced.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "access log line: expected {expected} at byte {offset} of `{line}`; the line was written with another format, or cut"
)]
pub struct LineError {
    /// Byte of the line.
    pub offset: usize,
    /// The literal, or the kind of value, that the format demands there.
    pub expected: String,
    /// The line.
    pub line: String,
}

/// Where and on what the furthest attempt failed.
#[derive(Clone, Copy)]
struct Failure {
    field: usize,
    offset: usize,
    /// The literal was there and the value before it had the wrong shape.
    shape: bool,
}

impl Format {
    /// Cuts one record: one line, or as many as the format has (a line break at its end is ignored).
    ///
    /// Envoy escapes nothing, so a value may contain the text that separates it from the next.
    /// Each value is taken as short as possible, the last one as long as possible; where a value
    /// then lacks the shape of its operator (byte counts are numbers, addresses have no spaces),
    /// the values before it are lengthened, the latest first. The same line always gives the same
    /// values.
    pub fn parse<'a>(&'a self, line: &'a str) -> Result<Record<'a>, LineError> {
        self.cut(line.strip_suffix('\n').unwrap_or(line))
    }

    /// As [`Format::parse`], with every byte of `line` belonging to the record.
    pub(super) fn cut<'a>(&'a self, line: &'a str) -> Result<Record<'a>, LineError> {
        let mut record = Record {
            format: self,
            line,
            spans: [(0, 0); MAX_OPERATORS],
        };
        if u32::try_from(line.len()).is_err() {
            return Err(LineError {
                offset: 0,
                expected: "at most 4 GiB".into(),
                line: line.chars().take(200).collect(),
            });
        }
        if !line.starts_with(&self.head) {
            return Err(LineError {
                offset: 0,
                expected: format!("`{}`", self.head),
                line: line.to_owned(),
            });
        }
        if self.cut_shortest(line.as_bytes(), &mut record.spans) {
            return Ok(record);
        }
        match Search::new(self, line.as_bytes()).run(&mut record.spans) {
            Ok(()) => Ok(record),
            Err(failure) => Err(self.error(failure, line)),
        }
    }

    /// The common case: every value ends at the first occurrence of the literal behind it.
    fn cut_shortest(&self, line: &[u8], spans: &mut Spans) -> bool {
        let mut at = self.head.len();
        let last = self.fields.len() - 1;
        for ((operator, literal), span) in self.fields[..last].iter().zip(spans.iter_mut()) {
            let Some(end) = find(line, at, literal.as_bytes()) else {
                return false;
            };
            if !self.fits(operator, &line[at..end]) {
                return false;
            }
            *span = narrow(at, end);
            at = end + literal.len();
        }
        let (operator, literal) = &self.fields[last];
        let Some(end) = end_before_suffix(line, at, literal.as_bytes()) else {
            return false;
        };
        spans[last] = narrow(at, end);
        self.fits(operator, &line[at..end])
    }

    fn error(&self, failure: Failure, line: &str) -> LineError {
        let (operator, literal) = &self.fields[failure.field];
        let last = failure.field + 1 == self.fields.len();
        let expected = match (failure.shape, literal.as_str()) {
            (true, _) => format!("{} for %{}%", operator.shape.describe(), operator.key()),
            (false, "") => format!("%{}% and then the end of the line", operator.key()),
            (false, literal) if last => format!(
                "%{}% and then `{literal}` and the end of the line",
                operator.key()
            ),
            (false, literal) => format!("%{}% and then `{literal}`", operator.key()),
        };
        LineError {
            offset: failure.offset,
            expected,
            line: line.to_owned(),
        }
    }
}

/// Spans are of lines shorter than 4 GiB, which [`Format::parse`] has checked.
#[allow(clippy::cast_possible_truncation)]
fn narrow(start: usize, end: usize) -> (u32, u32) {
    (start as u32, end as u32)
}

/// First occurrence of `literal` at or after `at`. Literals between operators are never empty.
fn find(line: &[u8], at: usize, literal: &[u8]) -> Option<usize> {
    let (first, rest) = literal.split_first()?;
    let mut from = at;
    loop {
        let found = from + memchr(*first, line.get(from..)?)?;
        if line[found + 1..].starts_with(rest) {
            return Some(found);
        }
        from = found + 1;
    }
}

fn end_before_suffix(line: &[u8], at: usize, suffix: &[u8]) -> Option<usize> {
    let end = line.len().checked_sub(suffix.len())?;
    (end >= at && line[end..] == *suffix).then_some(end)
}

/// Depth-first search over the places where values can end, each (operator, start) tried once.
struct Search<'a> {
    format: &'a Format,
    line: &'a [u8],
    dead: Vec<u64>,
    furthest: Failure,
}

impl<'a> Search<'a> {
    fn new(format: &'a Format, line: &'a [u8]) -> Self {
        let states = format.fields.len() * (line.len() + 1);
        let furthest = Failure {
            field: 0,
            offset: format.head.len(),
            shape: false,
        };
        Self {
            format,
            line,
            dead: vec![0; states.div_ceil(64)],
            furthest,
        }
    }

    fn run(mut self, spans: &mut Spans) -> Result<(), Failure> {
        // `starts[i]` is where the value of operator i starts, `search_from[i]` where to look for its end.
        let mut field = 0;
        let mut starts = [self.format.head.len(); MAX_OPERATORS];
        let mut search_from = starts;
        loop {
            if let Some(end) = self.next_end(field, starts[field], search_from[field]) {
                spans[field] = narrow(starts[field], end);
                search_from[field] = end + 1;
                if field + 1 == self.format.fields.len() {
                    return Ok(());
                }
                let next = end + self.format.fields[field].1.len();
                if !self.is_dead(field + 1, next) {
                    field += 1;
                    starts[field] = next;
                    search_from[field] = next;
                }
                continue;
            }
            self.kill(field, starts[field]);
            if field == 0 {
                return Err(self.furthest);
            }
            field -= 1;
        }
    }

    fn next_end(&mut self, field: usize, start: usize, mut from: usize) -> Option<usize> {
        let (operator, literal) = &self.format.fields[field];
        let last = field + 1 == self.format.fields.len();
        loop {
            let end = if last {
                end_before_suffix(self.line, start, literal.as_bytes()).filter(|end| *end >= from)
            } else {
                find(self.line, from, literal.as_bytes())
            };
            let Some(end) = end else {
                if from == start {
                    self.note(Failure {
                        field,
                        offset: start,
                        shape: false,
                    });
                }
                return None;
            };
            if self.format.fits(operator, &self.line[start..end]) {
                return Some(end);
            }
            self.note(Failure {
                field,
                offset: start,
                shape: true,
            });
            if !operator.shape.may_grow() && end > start {
                return None;
            }
            from = end + 1;
        }
    }

    fn note(&mut self, failure: Failure) {
        if (failure.field, failure.offset) >= (self.furthest.field, self.furthest.offset) {
            self.furthest = failure;
        }
    }

    fn bit(&self, field: usize, start: usize) -> (usize, u64) {
        let index = field * (self.line.len() + 1) + start;
        (index / 64, 1 << (index % 64))
    }

    fn is_dead(&self, field: usize, start: usize) -> bool {
        let (word, bit) = self.bit(field, start);
        self.dead[word] & bit != 0
    }

    fn kill(&mut self, field: usize, start: usize) {
        let (word, bit) = self.bit(field, start);
        self.dead[word] |= bit;
    }
}

impl<'a> Record<'a> {
    /// The value of the operator with this [key](Operator::key); `None` when it was logged as `-`
    /// or the format lacks it. [`Record::logged`] tells these two apart.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        match self.logged(key) {
            Logged::Value(value) => Some(value),
            Logged::Absent | Logged::NotInFormat => None,
        }
    }

    /// The value of the operator with this [key](Operator::key), and why there is none.
    pub fn logged(&self, key: &str) -> Logged<&'a str> {
        match self.raw(key) {
            None => Logged::NotInFormat,
            Some(value) if self.format.is_absent(value) => Logged::Absent,
            Some(value) => Logged::Value(value),
        }
    }

    /// The text that stands for the operator in the line, `-` included.
    pub fn raw(&self, key: &str) -> Option<&'a str> {
        self.format.position(key).map(|index| self.value(index))
    }

    /// Every operator with its text, in the order of the format.
    pub fn iter(&self) -> impl Iterator<Item = (&'a Operator, &'a str)> + '_ {
        self.format
            .fields
            .iter()
            .enumerate()
            .map(|(index, (operator, _))| (operator, self.value(index)))
    }

    /// The line, without its line break.
    pub fn line(&self) -> &'a str {
        self.line
    }

    pub(super) fn value(&self, index: usize) -> &'a str {
        &self.line[self.range(index)]
    }

    /// Where the line has the value.
    pub(super) fn range(&self, index: usize) -> Range<usize> {
        let (start, end) = self.spans[index];
        start as usize..end as usize
    }
}
