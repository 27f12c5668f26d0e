//! No text makes the parser panic, and what it says can always be shown.
#![allow(clippy::unwrap_used, reason = "tests")]

use meshproof_scenario::{Bindings, Source, parse, substitute};
use proptest::prelude::*;

const BASE: &str = include_str!("base.yaml");

/// Pieces that YAML gives a meaning to.
const PIECES: &[&str] = &[
    "<<: *a",
    "&a ",
    "*a",
    "\t",
    "- ",
    ": ",
    "\n",
    "  ",
    "{",
    "}",
    "[",
    "]",
    "|",
    ">",
    "|2-\n",
    "!!str ",
    "!x ",
    "? ",
    "'",
    "\"",
    "#",
    "${",
    "${SERVICE_URL}",
    "}",
    "\u{feff}",
    "\r\n",
    "\u{85}",
    "é",
    "\u{1f600}",
    "\0",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "null",
    "~",
    ".nan",
    "0x10",
    "99999999999999999999",
];

/// The scenario with pieces put in, or text taken out, at some places.
fn damaged() -> impl Strategy<Value = String> {
    let edit = (0..BASE.len(), 0..20_usize, proptest::sample::select(PIECES));
    proptest::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut text = BASE.to_owned();
        for (at, cut, piece) in edits {
            let (start, end) = (boundary(&text, at), boundary(&text, at + cut));
            text.replace_range(start..end, piece);
        }
        text
    })
}

/// The next place at or after a byte where a character starts.
fn boundary(text: &str, at: usize) -> usize {
    (at..text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len())
}

/// Errors point into the file and can be rendered.
fn readable(text: &str) -> Result<(), TestCaseError> {
    let source = Source::new("x.yaml", text);
    let Err(errors) = parse(&source) else {
        return Ok(());
    };
    prop_assert!(errors.iter().count() > 0);
    for error in &errors {
        prop_assert!(!error.message.is_empty());
        prop_assert!(!error.message.contains('\n'), "{:?}", error.message);
        prop_assert!((error.line as usize) <= text.lines().count() + 1);
        let rendered = error.render();
        prop_assert!(
            !rendered.chars().any(|c| c.is_control() && c != '\n'),
            "{rendered:?}"
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn damaged_scenarios_are_told(text in damaged()) {
        readable(&text)?;
    }

    #[test]
    fn any_text_is_told(text in any::<String>()) {
        readable(&text)?;
    }

    #[test]
    fn substitution_changes_references_only(before in "[^$]{0,20}", value in any::<String>(), after in "[^$]{0,20}") {
        let bindings: Bindings = [("NAME".to_owned(), value.clone())].into_iter().collect();
        let source = Source::new("x", format!("{before}${{NAME}}{after}$${{NAME}}"));
        prop_assert_eq!(substitute(&source, &bindings).unwrap(), format!("{before}{value}{after}${{NAME}}"));
    }

    #[test]
    fn substitution_never_panics(text in "[${}A-Z_ \n]{0,60}") {
        let _ = substitute(&Source::new("x", text), &Bindings::default());
    }
}
