//! Any text as plain text in GitHub's Markdown: no markup, no column, no mention of a person.

use std::fmt::Write;

use crate::text::one_line;

/// Longest text of one cell, in characters before escaping. The whole is in `run.json`.
const CELL: usize = 600;

/// Text for a cell of a table.
pub(super) fn cell(text: &str) -> String {
    inline(text, CELL)
}

/// Text for a line, of at most `most` characters before escaping.
pub(super) fn inline(text: &str, most: usize) -> String {
    let line = one_line(text);
    let mut out = String::with_capacity(line.len() + 16);
    let mut before = ' ';
    let mut chars = line.chars().enumerate().peekable();
    while let Some((index, c)) = chars.next() {
        if index == most {
            out.push('…');
            break;
        }
        let after = chars.peek().map_or(' ', |(_, c)| *c);
        if c == '_' && before.is_alphanumeric() && after.is_alphanumeric() {
            // Within a word it emphasises nothing (`CommonMark` 0.31, 6.2).
            out.push(c);
        } else {
            push(&mut out, c);
        }
        before = c;
    }
    out
}

/// One character. Character references are no markup (`CommonMark` 0.31, 2.5), and GitHub's table, link and
/// mention syntax looks at what is written, or at what stands beside it.
fn push(out: &mut String, c: char) {
    match c {
        // A mention, a reference to an issue and a bare address begin with these: a space of no width
        // behind them keeps GitHub from making links of what stands in a log.
        '@' | '#' | ':' => {
            out.push(c);
            if c != ':' {
                out.push_str("&#8203;");
            }
        }
        '/' if out.ends_with(":/") => out.push_str("&#8203;/"),
        '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '|' | '~' | '&' | '$' => {
            // Writing to a string cannot fail.
            let _ = write!(out, "&#{};", u32::from(c));
        }
        other => out.push(other),
    }
}
