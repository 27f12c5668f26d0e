//! Rows as `--batch` prints them.

use thiserror::Error;

/// The values of a row, as text. `None` for `NULL`: the client prints a text value `NULL` the same
/// way, so a query that must tell them apart has to say so itself (`IFNULL`).
pub type Row = Vec<Option<String>>;

/// Output that `--batch` does not print.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "client output: line {line}, value {value}: {what}; was the client run with --batch and without --raw?"
)]
pub struct BatchError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1.
    pub value: usize,
    /// What was found.
    pub what: String,
}

/// Rows of `-N -B` output: one a line, values between tabs, `\t`, `\n`, `\\` and `\0` escaped.
/// Result sets follow each other without a mark.
pub fn parse_batch(stdout: &str) -> Result<Vec<Row>, BatchError> {
    let body = stdout.strip_suffix('\n').unwrap_or(stdout);
    if stdout.is_empty() {
        return Ok(Vec::new());
    }
    body.split('\n')
        .enumerate()
        .map(|(index, line)| row(index + 1, line))
        .collect()
}

fn row(line: usize, text: &str) -> Result<Row, BatchError> {
    let values = text.split('\t').enumerate();
    values
        .map(|(index, text)| {
            value(text).map_err(|what| BatchError {
                line,
                value: index + 1,
                what,
            })
        })
        .collect()
}

fn value(text: &str) -> Result<Option<String>, String> {
    if text == "NULL" {
        return Ok(None);
    }
    let mut value = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            value.push(character);
            continue;
        }
        value.push(match characters.next() {
            Some('t') => '\t',
            Some('n') => '\n',
            Some('0') => '\0',
            Some('\\') => '\\',
            Some(other) => {
                return Err(format!(
                    "found the escape `\\{other}`, known are `\\t`, `\\n`, `\\\\` and `\\0`"
                ));
            }
            None => return Err("ends in a single backslash".to_owned()),
        });
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::parse_batch;
    use proptest::prelude::*;

    fn escape(value: Option<&str>) -> String {
        let Some(text) = value else {
            return "NULL".to_owned();
        };
        text.replace('\\', "\\\\")
            .replace('\t', "\\t")
            .replace('\n', "\\n")
            .replace('\0', "\\0")
    }

    #[test]
    fn reads_rows() {
        assert_eq!(parse_batch(""), Ok(vec![]));
        assert_eq!(
            parse_batch("1\tCrypto Hi\n"),
            Ok(vec![vec![Some("1".into()), Some("Crypto Hi".into())]])
        );
        assert_eq!(parse_batch("\n"), Ok(vec![vec![Some(String::new())]]));
        assert_eq!(
            parse_batch("NULL\ta\\tb\\\\n\n"),
            Ok(vec![vec![None, Some("a\tb\\n".into())]])
        );
        // As MariaDB's client 10.11 printed NULL, tab, line break, backslash, nothing, CHAR(0), 'NULL'.
        let seen = parse_batch("NULL\ta\\tb\tc\\nd\t\\\\\t\t\\0\tNULL\n\n").unwrap();
        let text = |value: &str| Some(value.to_owned());
        assert_eq!(
            seen[0],
            [
                None,
                text("a\tb"),
                text("c\nd"),
                text("\\"),
                text(""),
                text("\0"),
                None
            ]
        );
        assert_eq!(seen[1], [text("")]);
        let error = parse_batch("ok\n1\ta\\x\n").unwrap_err();
        assert_eq!((error.line, error.value), (2, 2));
        assert!(parse_batch("a\\").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = parse_batch(&text);
        }

        #[test]
        fn gives_back_what_was_printed(rows in prop::collection::vec(prop::collection::vec(prop::option::of("[a-z\\\\\t\n\0é ]{0,6}"), 1..4), 1..5)) {
            let printed: String = rows
                .iter()
                .map(|row| row.iter().map(|v| escape(v.as_deref())).collect::<Vec<_>>().join("\t") + "\n")
                .collect();
            prop_assert_eq!(parse_batch(&printed), Ok(rows));
        }
    }
}
