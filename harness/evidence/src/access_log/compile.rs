//! Takes a format string apart.

use super::format::{FormatError, MAX_LITERAL, MAX_OPERATORS};
use super::operator::Operator;

pub(super) struct Compiler<'a> {
    body: &'a str,
    at: usize,
    literal: String,
    head: Option<String>,
    fields: Vec<(Operator, String)>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(body: &'a str) -> Self {
        Self {
            body,
            at: 0,
            literal: String::new(),
            head: None,
            fields: Vec::new(),
        }
    }

    /// The text before the first operator, and each operator with the text behind it.
    pub(super) fn run(mut self) -> Result<(String, Vec<(Operator, String)>), FormatError> {
        while self.at < self.body.len() {
            self.step()?;
        }
        self.close_literal();
        Ok((self.head.unwrap_or_default(), self.fields))
    }

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
        self.literal.push_str(&rest[..end]);
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
