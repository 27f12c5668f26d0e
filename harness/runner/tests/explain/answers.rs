//! The answer that the recorded evidence allows, no more and no less.

use std::fmt::Write;

use meshproof_runner::{Confidence, Explained, Shape, explain};

use crate::support::{Recorded, SHAPES, json, observed, recorded, text};

/// Whether a format shows what tells the cause of a record.
fn is_told(told_by: &str, shape: Shape) -> bool {
    match told_by {
        "default" => true,
        "full" => shape == Shape::AsRecorded,
        "wire" => false,
        other => panic!("told by {other}"),
    }
}

fn answers_as_it_must(record: &Recorded, shape: Shape, told: bool) -> Explained {
    let explained = record.explain(shape);
    if told {
        assert_eq!(
            observed(&explained),
            Some(record.truth),
            "{} {shape:?}: {explained:#?}",
            record.id
        );
        assert_eq!(explained.confidence, Confidence::Certain);
        assert!(!explained.evidence.is_empty(), "{}", record.id);
        assert!(explained.needs.is_empty(), "{}", record.id);
    } else {
        assert_eq!(
            explained.confidence,
            Confidence::CannotBeTold,
            "{} {shape:?}: {explained:#?}",
            record.id
        );
        assert_eq!(observed(&explained), None);
        assert!(!explained.needs.is_empty(), "{}", record.id);
    }
    explained
}

#[test]
fn the_table_of_recorded_failures() {
    let mut table = String::new();
    for record in text() {
        let _ = writeln!(
            table,
            "{} [{}] {:?} {:?}",
            record.id, record.told_by, record.truth.hop, record.truth.cause
        );
        for shape in SHAPES {
            let told = is_told(&record.told_by, shape);
            let explained = answers_as_it_must(&record, shape, told);
            let _ = writeln!(table, "  {shape:?}: {}", explained.sentence);
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn json_logs_tell_what_the_default_format_tells() {
    let mut table = String::new();
    for record in json() {
        let told = is_told(&record.told_by, Shape::Default);
        let explained = answers_as_it_must(&record, Shape::AsRecorded, told);
        let _ = writeln!(table, "{}: {}", record.id, explained.sentence);
        assert_eq!(explained, record.explain(Shape::Default));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_a_record_says_of_itself_is_not_looked_at() {
    for record in text() {
        let mut lying = record.evidence.clone();
        lying["id"] = "ok".into();
        lying["what"] = "the tutorial's path".into();
        lying["truth"] =
            serde_json::json!({"outcome": "connected", "hop": "none", "cause": "none"});
        let found = explain(&lying.to_string(), Shape::AsRecorded).unwrap();
        assert_eq!(found, record.explain(Shape::AsRecorded), "{}", record.id);
    }
}

#[test]
fn everything_that_is_known_is_listed() {
    let all: Vec<Explained> = ["client-cert-none-12", "unmeshed-tls13-no-cert", "ok"]
        .map(|id| recorded(id).explain(Shape::AsRecorded))
        .into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&all).unwrap());
}
