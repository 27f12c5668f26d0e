//! Every line that we have is read.
#![allow(clippy::unwrap_used)]

mod support;

use meshproof_evidence::{Address, BuiltIn, Expected, Format, HopLine, Logged, Reader, detect};
use meshproof_record::Hop;
use proptest::prelude::*;

#[test]
fn every_recorded_line_is_detected_read_and_written_again() {
    let mut count = 0;
    for recorded in support::text() {
        for line in recorded.logs.values().flatten() {
            count += 1;
            assert_eq!(detect(line), Some(BuiltIn::Failures), "{line}");
            again(BuiltIn::Failures, line);
            let short = line.split(" | ").next().unwrap();
            assert_eq!(detect(short), Some(BuiltIn::Text), "{short}");
            again(BuiltIn::Text, short);
        }
    }
    assert_eq!(count, 188);
}

fn format(built_in: BuiltIn) -> &'static Format {
    match built_in.reader() {
        Reader::Text(format) => format,
        Reader::Json(_) => panic!("{built_in:?} is JSON"),
    }
}

fn again(built_in: BuiltIn, line: &str) {
    let format = format(built_in);
    let record = format.parse(line).unwrap();
    let values: Vec<&str> = record.iter().map(|(_, value)| value).collect();
    assert_eq!(format.render(&values).unwrap(), line);
    assert!(
        values
            .iter()
            .all(|value| !value.contains('"') && !value.contains(' ')),
        "{line}"
    );
    HopLine::from_record(&record).unwrap();
}

#[test]
fn every_json_line_is_detected_read_and_written_again() {
    let Reader::Json(format) = BuiltIn::Json.reader() else {
        panic!("JSON is text");
    };
    let mut count = 0;
    for line in support::json()
        .iter()
        .flat_map(|r| r.logs.values())
        .flatten()
    {
        count += 1;
        assert_eq!(detect(line), Some(BuiltIn::Json), "{line}");
        let record = format.parse(line).unwrap();
        assert_eq!(record.copied(), 0, "{line}");
        let flags = |key: &str| (key == "RESPONSE_FLAGS").then_some("-");
        let values: Vec<Option<&str>> = record
            .iter()
            .map(|(operator, value)| value.value().copied().or(flags(operator.key())))
            .collect();
        assert_eq!(format.render(&values).unwrap(), *line);
        let read = HopLine::from_json(&record).unwrap();
        assert!(read.start.value().is_some() && read.bytes_sent.value().is_some());
        assert_eq!(read.tls_version, Logged::NotInFormat);
        assert!(read.downstream_remote.value().unwrap().socket().is_some());
    }
    assert_eq!(count, 23);
}

/// Both were recorded by the same faults; addresses, times and counts are of their own connections.
#[test]
fn every_json_line_tells_what_its_text_twin_tells() {
    let port = |line: &HopLine| line.downstream_local.value().and_then(Address::port);
    let told = |line: &HopLine| {
        let texts = [
            &line.code_details,
            &line.termination_details,
            &line.upstream_failure,
            &line.upstream_cluster,
            &line.sni,
            &line.route_name,
        ];
        (line.flags.clone(), texts.map(Clone::clone), port(line))
    };
    let mut compared = 0;
    for recorded in support::json() {
        let text = support::text_of(&recorded.id).default_format();
        let json = recorded.read(BuiltIn::Json.reader(), str::to_owned);
        for (hop, lines) in &json {
            for (json, text) in lines.iter().zip(&text[hop]) {
                compared += 1;
                assert_eq!(told(json), told(text), "{} {hop:?}", recorded.id);
            }
        }
    }
    assert_eq!(compared, 23);
}

/// The same values in the other encoding are read as the same line, field by field.
#[test]
fn a_line_in_the_other_encoding_is_the_same() {
    let (Reader::Json(json), text) = (BuiltIn::Json.reader(), format(BuiltIn::Text)) else {
        panic!("JSON is text");
    };
    let mut count = 0;
    let same = |a: HopLine, b: HopLine| {
        let raw = b.raw.clone();
        assert_eq!(HopLine { raw, ..a }, b);
    };
    for line in support::text()
        .iter()
        .flat_map(|r| r.logs.values())
        .flatten()
    {
        let line = line.split(" | ").next().unwrap();
        let record = text.parse(line).unwrap();
        let values: Vec<Option<&str>> = json
            .operators()
            .map(|operator| record.get(operator.key()))
            .collect();
        let other = json.render(&values).unwrap();
        let read = BuiltIn::Json.reader().read(&other).unwrap();
        same(HopLine::from_record(&record).unwrap(), read);
        count += 1;
    }
    for line in support::json()
        .iter()
        .flat_map(|r| r.logs.values())
        .flatten()
    {
        let record = json.parse(line).unwrap();
        let values: Vec<&str> = text
            .operators()
            .map(|operator| {
                record
                    .logged(operator.key())
                    .value()
                    .copied()
                    .unwrap_or("-")
            })
            .collect();
        let other = text.render(&values).unwrap();
        let read = BuiltIn::Text.reader().read(&other).unwrap();
        same(HopLine::from_json(&record).unwrap(), read);
        count += 1;
    }
    assert_eq!(count, 188 + 23);
}

#[test]
fn the_tutorials_lines_are_of_the_format_of_1_3() {
    for (line, hop) in include_str!("data/tutorial.log")
        .lines()
        .zip(meshproof_evidence::PATH)
    {
        assert_eq!(detect(line), Some(BuiltIn::Text1x3), "{hop:?}");
        again(BuiltIn::Text1x3, line);
    }
    insta::assert_debug_snapshot!(support::tutorial()[&Hop::ServerSidecar][0]);
}

#[test]
fn a_recorded_line_field_by_field() {
    let recorded = support::text_of("server-cert-expired-13");
    insta::assert_debug_snapshot!(recorded.full()[&Hop::Egress][0]);
}

#[test]
fn errors_say_where_and_what() {
    let format = format(BuiltIn::Text);
    let line = &support::text_of("ok").logs["client"][0];
    let short = line.split(" | ").next().unwrap();
    insta::assert_snapshot!(format.parse(&short[..60]).unwrap_err());
    insta::assert_snapshot!(
        format
            .parse(&short.replacen(" 247 ", " many ", 1))
            .unwrap_err()
    );
    insta::assert_snapshot!(
        format
            .parse("2026-11-23T08:05:48.106Z info starting")
            .unwrap_err()
    );
    insta::assert_snapshot!(
        Reader::from(BuiltIn::Json)
            .read("{\"start_time\": [1]}")
            .unwrap_err()
    );
    insta::assert_snapshot!(Reader::from(BuiltIn::Json).read("{").unwrap_err());
    let late = short.replacen("08:05:48", "28:05:48", 1);
    insta::assert_snapshot!(Reader::from(BuiltIn::Text).read(&late).unwrap_err());
    insta::assert_snapshot!(Expected::any_of_istio().settle(&["no line"]).unwrap_err());
}

#[test]
fn values_with_separators_in_them() {
    let format = Format::compile("%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_SENT%").unwrap();
    let record = format
        .parse("NR via_upstream rbac access denied \"a \" b\" 7")
        .unwrap();
    assert_eq!(record.get("RESPONSE_CODE_DETAILS"), Some("via_upstream"));
    assert_eq!(
        record.get("CONNECTION_TERMINATION_DETAILS"),
        Some("rbac access denied")
    );
    assert_eq!(
        record.get("UPSTREAM_TRANSPORT_FAILURE_REASON"),
        Some("a \" b")
    );
    assert_eq!(record.get("BYTES_SENT"), Some("7"));

    let custom = Format::compile("%START_TIME(%s)% 100%% [%DURATION%]").unwrap();
    let record = custom.parse("1700000000 100% [5]\n").unwrap();
    let line = HopLine::from_record(&record).unwrap();
    assert_eq!(
        (
            line.start.in_format(),
            line.duration.value().unwrap().as_millis()
        ),
        (false, 5)
    );
    assert_eq!(record.raw("START_TIME(%s)"), Some("1700000000"));
}

#[test]
fn a_run_records_lines_are_read_with_their_format() {
    use meshproof_evidence::read_logs;
    use meshproof_record::LogEvidence;

    let lines = support::text_of("ok").logs["egress"].clone();
    let format = BuiltIn::Failures.format_string();
    let mut evidence = LogEvidence {
        pod: "istio-system/egress".into(),
        format,
        lines,
    };
    let read = |evidence: &LogEvidence| read_logs(&[(Hop::Egress, evidence.clone())].into());
    assert_eq!(read(&evidence).unwrap()[&Hop::Egress].len(), 1);
    evidence.lines.push("envoy says something".into());
    insta::assert_snapshot!(read(&evidence).unwrap_err());
    evidence.format = "%".into();
    insta::assert_snapshot!(read(&evidence).unwrap_err());
}

#[test]
fn a_longer_format_is_not_taken_for_a_built_in_one() {
    let line = support::text_of("ok").logs["egress"][0].replace(" | ", " extra | ");
    assert_eq!(detect(&line), None);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = detect(&text);
        let _ = Format::compile(&text);
        for built_in in BuiltIn::ALL {
            let _ = Reader::from(built_in).read(&text);
        }
    }

    #[test]
    fn no_damaged_line_panics(at in 0usize..400, cut in 0usize..400, put in "\\PC{0,3}") {
        let line = &support::text_of("ok").logs["egress"][0];
        let (at, cut) = (at.min(line.len()), cut.min(line.len()));
        let damaged = format!("{}{put}{}", &line[..at.min(cut)], &line[at.max(cut)..]);
        for built_in in BuiltIn::ALL {
            let _ = Reader::from(built_in).read(&damaged);
        }
    }

    #[test]
    fn what_is_read_is_the_line(format in "([a-c\" ]{1,3}%[A-C]%){1,5}[a-c\" ]{0,2}", line in "[a-c\" -]{0,40}") {
        let format = Format::compile(&format).unwrap();
        if let Ok(record) = format.parse(&line) {
            let values: Vec<&str> = record.iter().map(|(_, value)| value).collect();
            prop_assert_eq!(format.render(&values).unwrap(), line);
        }
    }

    #[test]
    fn what_was_written_is_read(values in prop::collection::vec("[a-z0-9|_.:-]{1,12}", 21), numbers in prop::collection::vec(any::<u32>(), 4)) {
        let format = format(BuiltIn::Text);
        let mut numbers = numbers.iter().map(u32::to_string);
        let mut values = values.into_iter();
        let of = |name: &str| match name {
            "RESPONSE_CODE" | "BYTES_RECEIVED" | "BYTES_SENT" | "DURATION" => numbers.next().unwrap(),
            "RESPONSE_FLAGS" => "UF,URX".to_owned(),
            _ => values.next().unwrap(),
        };
        let given: Vec<String> = format.operators().map(|operator| operator.name.clone()).map({ let mut of = of; move |n| of(&n) }).collect();
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let line = format.render(&given).unwrap();
        let record = format.parse(&line).unwrap();
        let read: Vec<&str> = record.iter().map(|(_, value)| value).collect();
        prop_assert_eq!(read, given);
    }
}
