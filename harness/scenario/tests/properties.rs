//! No text makes the parser panic, and what it says can always be shown.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use meshproof_scenario::{Bindings, Source, parse, substitute};
use proptest::prelude::*;

const BASE: &str = include_str!("base.yaml");
const VARIED: &str = include_str!("varied.yaml");

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

/// A scenario with pieces put in, or text taken out, at some places.
fn damaged(scenario: &'static str) -> impl Strategy<Value = String> {
    let edit = (
        0..scenario.len(),
        0..20_usize,
        proptest::sample::select(PIECES),
    );
    proptest::collection::vec(edit, 1..6).prop_map(move |edits| {
        let mut text = scenario.to_owned();
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
    fn damaged_scenarios_are_told(text in damaged(BASE)) {
        readable(&text)?;
    }

    #[test]
    fn damaged_variations_are_told(text in damaged(VARIED)) {
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

/// Every key of every mapping of the format, out of its schema.
fn keys(schema: &serde_json::Value, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        found.extend(properties.keys().cloned());
    }
    let parts = schema.as_object().into_iter().flat_map(|map| map.values());
    let items = schema.as_array().into_iter().flatten();
    parts.chain(items).for_each(|part| keys(part, found));
}

/// A key that neither text has would be damaged by nothing.
#[test]
fn the_damaged_texts_have_every_key_of_the_format() {
    let schema = serde_json::from_str(&meshproof_scenario::json_schema().unwrap()).unwrap();
    let mut all = BTreeSet::new();
    keys(&schema, &mut all);
    assert!(all.contains("sabotage"), "{all:?}");
    let has = |key: &String| {
        [BASE, VARIED]
            .iter()
            .any(|text| text.contains(&format!("{key}:")))
    };
    let missing: Vec<&String> = all.iter().filter(|key| !has(key)).collect();
    assert!(missing.is_empty(), "in neither text: {missing:?}");
}
