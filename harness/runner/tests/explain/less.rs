//! With less evidence, or with the same races ending otherwise, an answer is the same or is missing.

use meshproof_runner::Shape;
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{HOPS, Recorded, SHAPES, json, observed, text};

/// Something taken away.
#[derive(Clone, Copy, Debug)]
enum Without {
    Client,
    Counters,
    /// The log is not there.
    Log(&'static str),
    /// The log is there and has nothing.
    Lines(&'static str),
    /// The log has the default format.
    Columns(&'static str),
}

fn removals() -> Vec<Without> {
    let of_hops = HOPS.iter().flat_map(|hop| {
        [
            Without::Log(hop),
            Without::Lines(hop),
            Without::Columns(hop),
        ]
    });
    [Without::Client, Without::Counters]
        .into_iter()
        .chain(of_hops)
        .collect()
}

fn take(record: &Recorded, without: Without) -> Recorded {
    let mut record = record.clone();
    let object = record.evidence.as_object_mut().unwrap();
    match without {
        Without::Client => drop(object.remove("client")),
        Without::Counters => drop(object.remove("mysqld")),
        Without::Log(hop) => drop(record.evidence["logs"].as_object_mut().unwrap().remove(hop)),
        Without::Lines(hop) => {
            if let Some(lines) = record.evidence["logs"][hop].as_array_mut() {
                lines.clear();
            }
        }
        Without::Columns(hop) => {
            for line in record.evidence["logs"][hop]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                let text = line.as_str().unwrap().to_owned();
                if !text.starts_with('{') {
                    *line = Value::from(text.split(" | ").next().unwrap());
                }
            }
        }
    }
    record
}

#[test]
fn one_piece_less_gives_no_other_answer() {
    for record in text().iter().chain(&json()) {
        for without in removals() {
            for shape in SHAPES {
                take(record, without).is_not_wrong(shape);
            }
        }
    }
}

#[test]
fn the_order_of_lines_makes_no_difference() {
    for record in text().iter().chain(&json()) {
        let mut turned = record.clone();
        for hop in HOPS {
            turned.lines(hop).reverse();
        }
        for shape in SHAPES {
            assert_eq!(
                observed(&turned.explain(shape)),
                observed(&record.explain(shape)),
                "{}",
                record.id
            );
        }
    }
}

/// The outcomes of the race between the ingress gateway's refusal and its connection to the database.
fn races(record: &Recorded) -> Vec<Recorded> {
    let ok = text().into_iter().find(|record| record.id == "ok").unwrap();
    let server = ok.evidence["logs"]["server"][0].as_str().unwrap();
    let server = |sent| server.replace(" 247 189 ", &format!(" 0 {sent} "));
    let ingress = record.evidence["logs"]["ingress"][0].as_str().unwrap();
    let (head, rest) = ingress.split_once(" \"- - -\" ").unwrap();
    let fields: Vec<&str> = rest.split(' ').collect();
    let at = |host: &str, local: &str, sent: &str| {
        let mut fields = fields.clone();
        let cluster = fields
            .iter()
            .position(|field| field.starts_with("outbound|"))
            .unwrap();
        let sizes = fields
            .iter()
            .position(|field| *field == "0" || *field == "104");
        let sizes = sizes.map(|first| first + 4).unwrap();
        (fields[cluster - 1], fields[cluster + 1]) = (host, local);
        fields[sizes + 2] = sent;
        format!("{head} \"- - -\" {}", fields.join(" "))
    };
    let mut all = Vec::new();
    for (host, local) in [("\"-\"", "-"), ("\"10.18.0.6:3306\"", "10.18.0.5:56468")] {
        for sent in ["0", "104"] {
            for lines in [vec![], vec![server("0")], vec![server("104")]] {
                let mut other = record.clone();
                other.lines("ingress")[0] = at(host, local, sent).into();
                let connected = u64::from(!lines.is_empty());
                *other.lines("server") = lines.into_iter().map(Value::from).collect();
                other.evidence["mysqld"]["Connections"] = (1 + connected).into();
                all.push(other);
            }
        }
    }
    all
}

#[test]
fn both_ends_of_the_race_have_the_same_answer() {
    let mut raced = 0;
    for record in text().iter().filter(|r| r.id.starts_with("client-cert-")) {
        for shape in SHAPES {
            let answer = observed(&record.explain(shape));
            for other in races(record) {
                raced += 1;
                let explained = other.explain(shape);
                assert_eq!(
                    observed(&explained),
                    answer,
                    "{}: {explained:#?}",
                    record.id
                );
            }
        }
    }
    assert_eq!(raced, 12 * 2 * 12);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_pieces_less_give_no_other_answer(
        index in any::<prop::sample::Index>(),
        without in prop::sample::subsequence(removals(), 0..=14),
    ) {
        let all = text();
        let mut record = index.get(&all).clone();
        for without in without {
            record = take(&record, without);
        }
        record.is_not_wrong(Shape::AsRecorded);
        record.is_not_wrong(Shape::Default);
    }
}
