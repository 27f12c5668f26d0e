//! Compiles an Envoy format string.

use thiserror::Error;

use super::compile::Compiler;
use super::operator::Operator;

/// Most operators that one format may have. Spans of a line are kept in an array of this length.
pub const MAX_OPERATORS: usize = 64;

/// Longest literal between two operators, in bytes.
pub const MAX_LITERAL: usize = 4096;

/// A compiled format string.
///
/// Grammar (Envoy, "Access logging", format rules): literal text, `%%` for a percent sign, and
/// `%NAME%`, `%NAME(argument)%`, `%NAME(argument):length%`. The argument ends at the first `)`
/// that the rest of the operator follows, so it may contain `%` and parentheses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// Text before the first operator.
    pub(super) head: String,
    /// Each operator with the text behind it, never empty but after the last.
    pub(super) fields: Vec<(Operator, String)>,
    /// What stands for a value that the proxy does not have: `-`, or nothing.
    pub(super) omit_empty: bool,
    text: String,
}

/// Why a format string cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FormatError {
    /// A `%` that begins neither `%%` nor an operator.
    #[error(
        "access log format: expected `%%` or an operator such as `%DURATION%` at byte {offset}, found `{found}`"
    )]
    BadOperator {
        /// Byte of the `%`.
        offset: usize,
        /// The text from there, at most 40 characters.
        found: String,
    },
    /// Two operators without text between them: lines could be cut in many ways.
    #[error(
        "access log format: `%{first}%` and `%{second}%` at byte {offset} have no text between them, so their values cannot be told apart; put a space between"
    )]
    Adjacent {
        /// The first operator.
        first: String,
        /// The second.
        second: String,
        /// Byte of the second.
        offset: usize,
    },
    /// An empty line inside: blank lines of a log belong to no record.
    #[error(
        "access log format: empty line at byte {offset}; a record may have several lines, none of them empty"
    )]
    EmptyLine {
        /// Byte of the second line break.
        offset: usize,
    },
    /// No operator at all.
    #[error("access log format `{text}` has no operator, so its lines say nothing")]
    NoOperator {
        /// The format.
        text: String,
    },
    /// More operators than [`MAX_OPERATORS`].
    #[error(
        "access log format: operator {MAX_OPERATORS} is the last that fits, `%{operator}%` at byte {offset} is one too many"
    )]
    TooMany {
        /// The first that does not fit.
        operator: String,
        /// Its byte.
        offset: usize,
    },
    /// A literal longer than [`MAX_LITERAL`].
    #[error(
        "access log format: the text that ends at byte {offset} is longer than {MAX_LITERAL} bytes"
    )]
    LongLiteral {
        /// Byte of its end.
        offset: usize,
    },
}

impl Format {
    /// Compiles `text`. Line breaks around it are no part of a record.
    pub fn compile(text: &str) -> Result<Self, FormatError> {
        let body = text.trim_matches('\n');
        if let Some(offset) = body.find("\n\n") {
            return Err(FormatError::EmptyLine { offset: offset + 1 });
        }
        Self::exact(body, text)
    }

    /// As [`Format::compile`], with every line break of `body` taken as it stands.
    pub(super) fn exact(body: &str, text: &str) -> Result<Self, FormatError> {
        let (head, fields) = Compiler::new(body).run()?;
        if fields.is_empty() {
            return Err(FormatError::NoOperator {
                text: text.to_owned(),
            });
        }
        Ok(Self {
            head,
            fields,
            omit_empty: false,
            text: text.to_owned(),
        })
    }

    /// The operators in the order of the format.
    pub fn operators(&self) -> impl ExactSizeIterator<Item = &Operator> {
        self.fields.iter().map(|(operator, _)| operator)
    }

    /// Whether the format has the operator of this [key](Operator::key).
    pub fn has(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// The format string as given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same format written with `omit_empty_values`: nothing in place of `-`.
    #[must_use]
    pub fn omitting_empty(self) -> Self {
        Self {
            omit_empty: true,
            ..self
        }
    }

    /// Whether nothing stands in place of `-`.
    pub fn omits_empty(&self) -> bool {
        self.omit_empty
    }

    /// How many lines of a log make one record.
    pub fn height(&self) -> usize {
        let breaks = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count();
        let behind = self.fields.iter().map(|(_, literal)| breaks(literal));
        1 + breaks(&self.head) + behind.sum::<usize>()
    }

    /// Whether `text` stands for a value that the proxy does not have.
    pub(super) fn is_absent(&self, text: &str) -> bool {
        text == "-" || (self.omit_empty && text.is_empty())
    }

    pub(super) fn fits(&self, operator: &Operator, value: &[u8]) -> bool {
        operator.shape.fits(value) || (self.omit_empty && value.is_empty())
    }

    /// The text before the first operator, and behind each.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        let behind = self.fields.iter().map(|(_, literal)| literal.as_str());
        std::iter::once(self.head.as_str()).chain(behind)
    }

    pub(super) fn position(&self, key: &str) -> Option<usize> {
        self.fields
            .iter()
            .position(|(operator, _)| operator.key() == key)
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, FormatError};

    fn keys(text: &str) -> Vec<String> {
        Format::compile(text)
            .unwrap()
            .operators()
            .map(|o| o.key().to_owned())
            .collect()
    }

    #[test]
    fn reads_names_arguments_and_lengths() {
        assert_eq!(
            keys(
                "[%START_TIME(%Y/%m/%dT%H:%M:%S%z)%] %REQ(X-A?:PATH):17% 100%% %CEL(f(x) + g(y))%\n"
            ),
            [
                "START_TIME(%Y/%m/%dT%H:%M:%S%z)",
                "REQ(X-A?:PATH)",
                "CEL(f(x) + g(y))"
            ]
        );
        let format = Format::compile("%REQ(USER-AGENT):17%").unwrap();
        assert_eq!(format.operators().next().unwrap().length, Some(17));
    }

    #[test]
    fn refuses_what_cannot_be_read_back() {
        let error = |text: &str| Format::compile(text).unwrap_err();
        assert!(matches!(
            error("a %lower% b"),
            FormatError::BadOperator { offset: 2, .. }
        ));
        assert!(matches!(
            error("100%"),
            FormatError::BadOperator { offset: 3, .. }
        ));
        assert!(matches!(
            error("%DURATION"),
            FormatError::BadOperator { offset: 0, .. }
        ));
        assert!(matches!(
            error("%A%%B%"),
            FormatError::BadOperator { .. } | FormatError::Adjacent { offset: 3, .. }
        ));
        assert!(matches!(
            error("%A%\n\n%B%\n"),
            FormatError::EmptyLine { offset: 4 }
        ));
        assert!(matches!(error("plain"), FormatError::NoOperator { .. }));
        assert!(matches!(
            error(&"%A% ".repeat(65)),
            FormatError::TooMany { offset: 256, .. }
        ));
        insta::assert_snapshot!(error("%PROTOCOL%%DURATION%"), @"access log format: `%PROTOCOL%` and `%DURATION%` at byte 10 have no text between them, so their values cannot be told apart; put a space between");
        insta::assert_snapshot!(error("[%START_TIME%] %bytes% sent"), @"access log format: expected `%%` or an operator such as `%DURATION%` at byte 15, found `%bytes% sent`");
    }
}
