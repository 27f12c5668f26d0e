use std::collections::HashSet;
use std::path::Path;

use meshproof_record::{CaseRecord, Problem, RunRecord};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::junit;
use crate::testing::{failed, inconclusive, interrupted, negative, positive, run, skipped};

fn xml(record: &RunRecord) -> String {
    junit(record, &[Path::new("target/meshproof/run/run.json")]).unwrap()
}

#[test]
fn every_verdict() {
    let mut second = failed();
    second.name = positive().name;
    insta::assert_snapshot!(xml(&run(vec![
        positive(),
        second,
        inconclusive(),
        skipped()
    ])));
}

#[test]
fn an_interrupted_run_has_an_error_of_its_own() {
    let text = xml(&interrupted());
    assert_eq!(
        names(&text),
        [
            "sql-crosses-encrypted",
            "no-sidecar-gateway-port",
            "interrupted"
        ]
    );
    assert!(
        text.contains(r#"<error type="run not finished" message="SIGINT after 212 ms">"#),
        "{text}"
    );
    assert!(
        text.contains(
            r#"<testsuites name="meshproof" tests="3" failures="0" errors="2" skipped="0""#
        ),
        "{text}"
    );
}

#[test]
fn a_run_without_cases_is_not_green() {
    let text = xml(&run(vec![]));
    assert!(text.contains("no case was run"), "{text}");
    assert!(text.contains(r#"errors="1""#), "{text}");
}

#[test]
fn what_cdata_cannot_hold_is_read_unchanged() {
    let mut case = failed();
    case.verdict.summary = "a ]]> b ]]]]>> <&\"'\u{1b}[0m".into();
    let read = facts(&xml(&run(vec![case]))).unwrap();
    assert!(
        read.text.contains("a ]]> b ]]]]>> <&\"'␛[0m"),
        "{}",
        read.text
    );
    assert!(
        read.attributes
            .iter()
            .any(|value| value == "a ]]> b ]]]]>> <&\"'␛[0m"),
        "{:?}",
        read.attributes
    );
}

#[test]
fn names_that_differ_only_in_unwritable_characters_stay_apart() {
    let cases = ["a", "a", "a#2", "a "].map(|name| CaseRecord {
        name: name.into(),
        ..negative()
    });
    assert_eq!(
        names(&xml(&run(cases.into()))),
        ["a", "a#2", "a#2#2", "a#3"]
    );
}

fn names(text: &str) -> Vec<String> {
    let mut reader = Reader::from_str(text);
    let mut names = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => return names,
            Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == b"testcase" => {
                let name = tag.try_get_attribute("name").unwrap().unwrap();
                names.push(
                    name.decoded_and_normalized_value(
                        quick_xml::XmlVersion::Explicit1_0,
                        reader.decoder(),
                    )
                    .unwrap()
                    .into_owned(),
                );
            }
            _ => {}
        }
    }
}

/// What a reader gets of a report, or why it is not well-formed.
#[derive(Default)]
struct Facts {
    text: String,
    attributes: Vec<String>,
    cases: Vec<(String, String)>,
}

fn facts(text: &str) -> Result<Facts, String> {
    if let Some(bad) = text.chars().find(|c| !xml_char(*c)) {
        return Err(format!("forbidden character {bad:?}"));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut facts = Facts::default();
    let mut depth = 0_usize;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Eof if depth == 0 => return Ok(facts),
            Event::Eof => return Err("ends inside an element".into()),
            Event::Start(tag) => {
                depth += 1;
                read_attributes(&tag, &reader, &mut facts)?;
            }
            Event::Empty(tag) => read_attributes(&tag, &reader, &mut facts)?,
            Event::End(_) => depth -= 1,
            Event::CData(data) => facts.text.push_str(&String::from_utf8_lossy(&data)),
            Event::Text(text) if !text.iter().all(u8::is_ascii_whitespace) => {
                return Err(format!("stray text {text:?}"));
            }
            _ => {}
        }
    }
}

fn read_attributes(
    tag: &quick_xml::events::BytesStart,
    reader: &Reader<&[u8]>,
    facts: &mut Facts,
) -> Result<(), String> {
    let (mut class, mut name) = (String::new(), String::new());
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute
            .decoded_and_normalized_value(quick_xml::XmlVersion::Explicit1_0, reader.decoder())
            .map_err(|error| error.to_string())?
            .into_owned();
        match attribute.key.as_ref() {
            b"classname" => class.clone_from(&value),
            b"name" => name.clone_from(&value),
            _ => {}
        }
        facts.attributes.push(value);
    }
    if tag.name().as_ref() == b"testcase" {
        facts.cases.push((class, name));
    }
    Ok(())
}

/// `Char` of XML 1.0, section 2.2.
fn xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

fn any_text() -> impl Strategy<Value = String> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..40)
        .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let markup = "[\\[\\]<>&\"'!CDATA\u{0}-\u{1f}\u{fffe}\u{ffff}-]{0,24}";
    prop_oneof![bytes, markup, any::<String>()]
}

proptest! {
    #[test]
    fn any_text_gives_well_formed_xml(texts in proptest::collection::vec(any_text(), 14), ms: f64) {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap();
        let mut first = failed();
        first.name = next();
        first.source = next();
        first.verdict.summary = next();
        first.verdict.checks[1].detail = next();
        first.started = next();
        first.duration_ms = ms;
        let client = first.evidence.client.as_mut().unwrap();
        client.stdout = next();
        client.stderr = next();
        first.evidence.logs.values_mut().next().unwrap().lines = vec![next()];
        let mut second = inconclusive();
        second.name = next();
        second.evidence.missing[0].why = next();
        let mut record = run(vec![first, second, skipped()]);
        record.scenarios[0].name = next();
        record.scenarios[0].file = next();
        record.versions.insert(next(), "1".into());
        record.problems.push(Problem { during: "set up".into(), message: next() });
        let read = facts(&xml(&record)).map_err(TestCaseError::fail)?;
        prop_assert_eq!(read.cases.len(), 4);
        prop_assert_eq!(read.cases.iter().collect::<HashSet<_>>().len(), 4);
    }
}
