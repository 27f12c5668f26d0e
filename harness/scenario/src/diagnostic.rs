//! What is wrong with a file, where, and what is allowed there.

use std::collections::HashSet;
use std::fmt;

use crate::Pos;

/// A file and its text, for messages that show the line they are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path, as shown to people.
    pub file: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Puts a path and a text together.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
        }
    }

    /// The place of a part of the text.
    pub(crate) fn pos(&self, offset: usize, len: usize) -> Pos {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Pos {
            line: small(before.bytes().filter(|b| *b == b'\n').count() + 1),
            column: small(before[start..].chars().count() + 1),
            offset,
            len,
        }
    }

    /// The byte offset of a line and column, both counted from 1.
    pub(crate) fn offset(&self, line: u32, column: u32) -> usize {
        let before = (line as usize).saturating_sub(1);
        let start: usize = self
            .text
            .split_inclusive('\n')
            .take(before)
            .map(str::len)
            .sum();
        let rest = self.text.get(start..).unwrap_or_default();
        let into = rest.char_indices().nth((column as usize).saturating_sub(1));
        start + into.map_or(rest.len(), |(offset, _)| offset)
    }

    /// Says what is wrong at a place.
    pub(crate) fn error(&self, pos: Pos, message: impl Into<String>) -> Diagnostic {
        let lines = (pos.line as usize).checked_sub(1);
        let line = lines
            .and_then(|skip| self.text.lines().nth(skip))
            .unwrap_or_default();
        let marked = self
            .text
            .get(pos.offset..pos.offset.saturating_add(pos.len))
            .unwrap_or_default();
        Diagnostic {
            file: self.file.clone(),
            line: pos.line,
            column: pos.column,
            message: message.into().chars().map(visible).collect(),
            notes: Vec::new(),
            text: line.to_owned(),
            width: marked.lines().next().unwrap_or_default().chars().count(),
        }
    }
}

/// A character as it may be shown: nothing that moves the cursor or turns the direction of writing.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The path, as given.
    pub file: String,
    /// Line, counted from 1; 0 where the whole file is meant.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// What is wrong, one line.
    pub message: String,
    /// What is allowed, what to do.
    pub notes: Vec<String>,
    /// The line of the file, as it stands there.
    pub text: String,
    /// How many characters of it, from the column on, are meant.
    pub width: usize,
}

/// How much of a line is shown before and after the place.
const MARGIN: usize = 60;

impl Diagnostic {
    /// Adds a line on what is allowed or what to do.
    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into().chars().map(visible).collect());
        self
    }

    /// The message with the line it is about and a mark under the place, over several lines.
    pub fn render(&self) -> String {
        let mut lines = vec![format!("error: {}", self.message)];
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        if self.line == 0 {
            lines.push(format!("{gutter}--> {}", self.file));
        } else {
            let (shown, indent) = self.window();
            let room = shown.chars().count().saturating_sub(indent).max(1);
            lines.push(format!(
                "{gutter}--> {}:{}:{}",
                self.file, self.line, self.column
            ));
            lines.push(format!("{gutter} |"));
            lines.push(format!("{number} | {shown}"));
            lines.push(format!(
                "{gutter} | {:indent$}{}",
                "",
                "^".repeat(self.width.clamp(1, room))
            ));
        }
        lines.extend(self.notes.iter().map(|note| format!("{gutter} = {note}")));
        lines.join("\n") + "\n"
    }

    /// The part of the line around the place, without anything that would move the cursor, and how
    /// far the place is into it.
    fn window(&self) -> (String, usize) {
        let column = (self.column as usize).saturating_sub(1);
        let skip = column.saturating_sub(MARGIN);
        let take = column - skip + self.width.min(MARGIN) + MARGIN;
        let mut shown: String = self
            .text
            .chars()
            .skip(skip)
            .take(take)
            .map(visible)
            .collect();
        if self.text.chars().nth(skip + take).is_some() {
            shown.push('…');
        }
        if skip == 0 {
            (shown, column)
        } else {
            (format!("…{shown}"), column - skip + 1)
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message)?,
            _ => write!(
                f,
                "{}:{}:{}: {}",
                self.file, self.line, self.column, self.message
            )?,
        }
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

impl std::error::Error for Diagnostic {}

/// Everything that is wrong, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// `Ok` with the value where there is nothing to complain about.
    pub(crate) fn unless<T>(mut found: Vec<Diagnostic>, value: T) -> Result<T, Self> {
        if found.is_empty() {
            return Ok(value);
        }
        found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        // What is wrong with a case is wrong with each that was made of it.
        let mut seen = HashSet::new();
        found.retain(|one| seen.insert((one.line, one.column, one.message.clone())));
        Err(Self(found))
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// All of them, rendered one below the other.
    pub fn render(&self) -> String {
        self.0
            .iter()
            .map(Diagnostic::render)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
