//! Compiles an Envoy format string.

use thiserror::Error;

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
    /// A line break before the end.
    #[error(
        "access log format: line break at byte {offset}; one record must be one line, so it may only stand at the end"
    )]
    LineBreak {
        /// Byte of the line break.
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
    /// Compiles `text`. One line break at the end is allowed and not part of a line.
    pub fn compile(text: &str) -> Result<Self, FormatError> {
        let body = text.strip_suffix('\n').unwrap_or(text);
        let mut compiler = Compiler {
            body,
            at: 0,
            literal: String::new(),
            head: None,
            fields: Vec::new(),
        };
        while compiler.at < body.len() {
            compiler.step()?;
        }
        compiler.finish(text)
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

    pub(super) fn position(&self, key: &str) -> Option<usize> {
        self.fields
            .iter()
            .position(|(operator, _)| operator.key() == key)
    }
}

struct Compiler<'a> {
    body: &'a str,
    at: usize,
    literal: String,
    head: Option<String>,
    fields: Vec<(Operator, String)>,
}

impl Compiler<'_> {
    fn step(&mut self) -> Result<(), FormatError> {
        let rest = &self.body[self.at..];
        if let Some(behind) = rest.strip_prefix('%') {
            if behind.starts_with('%') {
                self.literal.push('%');
                self.at += 2;
                return Ok(());
            }
            let (operator, length) =
                operator_at(behind).ok_or_else(|| FormatError::BadOperator {
                    offset: self.at,
                    found: rest.chars().take(40).collect(),
                })?;
            self.push(operator)?;
            self.at += 1 + length;
            return Ok(());
        }
        let end = rest.find('%').unwrap_or(rest.len());
        let text = &rest[..end];
        if let Some(offset) = text.find('\n') {
            return Err(FormatError::LineBreak {
                offset: self.at + offset,
            });
        }
        self.literal.push_str(text);
        self.at += end;
        if self.literal.len() > MAX_LITERAL {
            return Err(FormatError::LongLiteral { offset: self.at });
        }
        Ok(())
    }

    fn push(&mut self, operator: Operator) -> Result<(), FormatError> {
        let offset = self.at;
        if self.fields.len() == MAX_OPERATORS {
            return Err(FormatError::TooMany {
                operator: operator.key().to_owned(),
                offset,
            });
        }
        self.close_literal();
        if let Some((first, behind)) = self.fields.last()
            && behind.is_empty()
        {
            let (first, second) = (first.key().to_owned(), operator.key().to_owned());
            return Err(FormatError::Adjacent {
                first,
                second,
                offset,
            });
        }
        self.fields.push((operator, String::new()));
        Ok(())
    }

    fn close_literal(&mut self) {
        let literal = std::mem::take(&mut self.literal);
        match self.fields.last_mut() {
            Some((_, behind)) => *behind = literal,
            None => self.head = Some(literal),
        }
    }

    fn finish(mut self, text: &str) -> Result<Format, FormatError> {
        self.close_literal();
        if self.fields.is_empty() {
            return Err(FormatError::NoOperator {
                text: text.to_owned(),
            });
        }
        Ok(Format {
            head: self.head.unwrap_or_default(),
            fields: self.fields,
            text: text.to_owned(),
        })
    }
}

/// The operator whose text follows a `%`, and the length of that text with the closing `%`.
fn operator_at(text: &str) -> Option<(Operator, usize)> {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let name_end = text.find(|c| !is_name(c))?;
    let name = &text[..name_end];
    if name.is_empty() {
        return None;
    }
    let Some(in_parentheses) = text[name_end..].strip_prefix('(') else {
        let (length, used) = length_and_end(&text[name_end..])?;
        return Some((Operator::new(name, None, length), name_end + used));
    };
    in_parentheses.match_indices(')').find_map(|(close, _)| {
        let (length, used) = length_and_end(&in_parentheses[close + 1..])?;
        let operator = Operator::new(name, Some(&in_parentheses[..close]), length);
        Some((operator, name_end + 1 + close + 1 + used))
    })
}

/// `%` or `:17%`: the length and the number of bytes used.
fn length_and_end(text: &str) -> Option<(Option<usize>, usize)> {
    if text.starts_with('%') {
        return Some((None, 1));
    }
    let digits = text.strip_prefix(':')?;
    let end = digits.find('%')?;
    let (number, all_digits) = (
        &digits[..end],
        digits[..end].bytes().all(|b| b.is_ascii_digit()),
    );
    let length = all_digits.then(|| number.parse().ok()).flatten()?;
    Some((Some(length), 1 + end + 1))
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
            error("%A%\n%B%"),
            FormatError::LineBreak { offset: 3 }
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
