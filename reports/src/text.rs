//! Text of unknown origin (log lines, client output, error chains) made fit for XML and terminals.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// Replaces what neither XML 1.0 (section 2.2, `Char`) nor a terminal should get: control
/// characters become their pictures (`ESC` becomes `␛`), the two non-characters become `U+FFFD`.
/// Tabs and line ends stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text
        .chars()
        .all(|c| c == '\n' || c == '\t' || picture(c) == c)
    {
        return Cow::Borrowed(text);
    }
    let fixed = text.chars().map(|c| {
        if c == '\n' || c == '\t' {
            c
        } else {
            picture(c)
        }
    });
    Cow::Owned(fixed.collect())
}

/// [`printable`], with each run of white space, line ends included, made one space.
pub fn one_line(text: &str) -> String {
    let text = printable(text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The visible stand-in of a character that must not be written, or the character itself.
fn picture(c: char) -> char {
    match c {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        // C1 controls steer terminals; the bidirectional overrides reorder what is read.
        '\u{80}'..='\u{9f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{fffe}'
        | '\u{ffff}' => '\u{fffd}',
        other => other,
    }
}

/// Breaks text into lines of at most `width` terminal columns, at spaces where there are any.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in one_line(text).split(' ') {
        let mut rest = word;
        loop {
            let needed = columns(rest) + usize::from(used > 0);
            if used + needed <= width {
                if used > 0 {
                    line.push(' ');
                }
                line.push_str(rest);
                used += needed;
                break;
            }
            if used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
                continue;
            }
            let (head, tail) = split_at_columns(rest, width);
            lines.push(head.to_owned());
            rest = tail;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Width of a text on a terminal, in columns.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Splits so that the head is at most `width` columns wide and never empty.
fn split_at_columns(text: &str, width: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width && at > 0 {
            return text.split_at(at);
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_become_pictures() {
        assert_eq!(
            printable("a\u{1b}[31mb\0\r\n\tc\u{ffff}"),
            "a␛[31mb␀␍\n\tc\u{fffd}"
        );
        assert!(matches!(printable("plain ünïcode\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn bidirectional_overrides_do_not_reach_the_reader() {
        assert_eq!(one_line("a\u{202e}b \n c"), "a\u{fffd}b c");
    }

    #[test]
    fn words_longer_than_the_line_are_cut() {
        assert_eq!(wrap("ab cdefgh i", 4), ["ab", "cdef", "gh i"]);
        assert_eq!(wrap("", 4), Vec::<String>::new());
        assert_eq!(wrap("表表表", 4), ["表表", "表"]);
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked(text: String, width in 2_usize..40) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| columns(line) <= width), "{lines:?}");
            let kept: String = lines.concat().chars().filter(|c| !c.is_whitespace()).collect();
            let given: String = one_line(&text).chars().filter(|c| !c.is_whitespace()).collect();
            prop_assert_eq!(kept, given);
        }
    }
}
