//! A message about a place in a file, with the text there and a mark below.

use std::fmt::Write;

use meshproof_reports::printable;

/// A place in a text, counted from 1, columns in characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// Length of the text that is meant, in characters; 0 where not known.
    pub(crate) length: usize,
}

/// Longest stretch of a line that is shown.
const SHOWN: usize = 100;

/// `message`, `--> file:line:column`, the line, and a mark below what is meant.
pub(crate) fn render(
    message: &str,
    file: &str,
    text: Option<&str>,
    place: Option<Place>,
    help: Option<&str>,
) -> String {
    let mut out = printable(message).into_owned();
    match place {
        Some(place) => {
            add(
                &mut out,
                format_args!("\n  --> {file}:{}:{}", place.line, place.column),
            );
            if let Some(line) = text.and_then(|text| nth_line(text, place.line)) {
                marked(&mut out, line, place);
            }
        }
        None => add(&mut out, format_args!("\n  --> {file}")),
    }
    if let Some(help) = help {
        add(&mut out, format_args!("\n  help: {}", printable(help)));
    }
    out
}

fn nth_line(text: &str, line: u32) -> Option<&str> {
    text.lines()
        .nth(usize::try_from(line).ok()?.checked_sub(1)?)
}

fn marked(out: &mut String, line: &str, place: Place) {
    let before = usize::try_from(place.column).unwrap_or(1).saturating_sub(1);
    // A long line is shown from a little before the place.
    let skipped = before.saturating_sub(SHOWN / 2);
    // One character for one, or the mark would stand elsewhere.
    let shown: String = printable(line)
        .replace('\t', " ")
        .chars()
        .skip(skipped)
        .take(SHOWN)
        .collect();
    let gutter = place.line.to_string();
    let mark = "^".repeat(
        place.length.clamp(
            1,
            shown
                .chars()
                .count()
                .saturating_sub(before - skipped)
                .max(1),
        ),
    );
    let space = " ".repeat(gutter.len());
    add(
        out,
        format_args!("\n  {space} |\n  {gutter} | {}", shown.trim_end()),
    );
    add(
        out,
        format_args!("\n  {space} | {}{mark}", " ".repeat(before - skipped)),
    );
}

fn add(out: &mut String, what: std::fmt::Arguments) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_what_is_meant() {
        let text = "cases:\n  - name: a\n    expcet: {}\n";
        let place = Place {
            line: 3,
            column: 5,
            length: 6,
        };
        let shown = render(
            "unknown field `expcet`",
            "s.yaml",
            Some(text),
            Some(place),
            Some("did you mean `expect`?"),
        );
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn places_outside_the_text_do_no_harm() {
        for (line, column) in [(0, 0), (1, 0), (1, 400), (9, 1), (u32::MAX, u32::MAX)] {
            let place = Place {
                line,
                column,
                length: 1000,
            };
            assert!(render("m", "f", Some("a: b"), Some(place), None).starts_with("m\n  --> f:"));
        }
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let text = format!("{}HERE{}", "x".repeat(500), "y".repeat(500));
        let shown = render(
            "m",
            "f",
            Some(&text),
            Some(Place {
                line: 1,
                column: 501,
                length: 4,
            }),
            None,
        );
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[3].find("HERE"), lines[4].find("^^^^"));
        assert!(lines.iter().all(|line| line.len() < 120), "{shown}");
    }
}
