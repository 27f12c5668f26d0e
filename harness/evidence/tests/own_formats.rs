//! Formats that users give their meshes.
#![allow(clippy::unwrap_used)]

use meshproof_evidence::access_log::{JsonRecord, Skipped};
use meshproof_evidence::{Address, Format, HopLine, JsonFormat, Logged, Reader, read_log};
use proptest::prelude::*;
use serde::Deserialize;

/// One format, and what Envoy 1.40 wrote in it for two connections: one that its upstream refused,
/// one that worked.
#[derive(Deserialize)]
struct Written {
    name: String,
    format: String,
    lines: Vec<String>,
}

fn written() -> Vec<Written> {
    include_str!("data/envoy-1.40-own-formats.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn read(name: &str) -> (Reader, Vec<HopLine>) {
    let written = written().into_iter().find(|w| w.name == name).unwrap();
    let reader = Reader::new(&written.format).unwrap();
    let mut lines = read_log(&reader, &written.lines).unwrap().lines;
    // The refused one first.
    lines.sort_by_key(|line| line.flags.is_empty());
    (reader, lines)
}

#[test]
fn every_record_of_envoys_is_read_and_its_text_written_again() {
    let mut records = 0;
    for written in written() {
        let reader = Reader::new(&written.format).unwrap();
        assert_eq!(reader.to_string(), written.format);
        let read = read_log(&reader, &written.lines).unwrap();
        assert_eq!(read.skipped, Skipped::default(), "{}", written.name);
        assert_eq!(read.lines.len(), 2, "{}", written.name);
        records += read.lines.len();
        let Reader::Text(format) = reader else {
            continue;
        };
        for line in &read.lines {
            let record = format.parse(&line.raw).unwrap();
            let values: Vec<&str> = record.iter().map(|(_, value)| value).collect();
            assert_eq!(format.render(&values).unwrap(), line.raw);
        }
    }
    assert_eq!(records, 16);
}

#[test]
fn a_json_format_of_nested_mixed_and_constant_values_is_read() {
    for name in ["json", "json-omit"] {
        let (reader, lines) = read(name);
        let [refused, fine] = lines.as_slice() else {
            panic!("two records");
        };
        assert_eq!(refused.flags, ["UF", "URX"], "{name}");
        assert_eq!(
            refused.upstream_failure.text(),
            Some("delayed_connect_error:_Connection_refused")
        );
        assert_eq!(refused.upstream_local, Logged::Absent, "{name}");
        assert_eq!(
            (&fine.sni, &fine.upstream_failure),
            (&Logged::Absent, &Logged::Absent)
        );
        assert_eq!(fine.upstream_cluster.text(), Some("ok|1||up"));
        assert_eq!(
            (fine.bytes_received, fine.bytes_sent),
            (Logged::Value(5), Logged::Value(85))
        );
        assert_eq!(
            fine.upstream_host.value().and_then(Address::port),
            Some(39010)
        );
        assert!(fine.start.value().is_some() && fine.duration.value().is_some());
        assert_eq!(fine.tls_version, Logged::NotInFormat);
        let Reader::Json(format) = &reader else {
            panic!("JSON is text");
        };
        let record = format.parse(&fine.raw).unwrap();
        assert_eq!(record.copied(), 0, "{name}");
        assert_eq!(record.logged("DYNAMIC_METADATA(a)"), Logged::Absent);
        let millis = |key: &str| record.logged(key).value().unwrap().replace('.', "");
        let start = fine.start.value().unwrap().as_millisecond().to_string();
        assert_eq!(millis("START_TIME(%s.%3f)"), start);
    }
}

#[test]
fn a_text_format_of_two_lines_with_quotes_and_braces_is_read() {
    for name in ["odd", "odd-omit"] {
        let (reader, lines) = read(name);
        assert_eq!(reader.height(), 2);
        let [refused, fine] = lines.as_slice() else {
            panic!("two records");
        };
        assert_eq!(refused.flags, ["UF", "URX"]);
        assert_eq!(refused.upstream_cluster.text(), Some("outbound|2||refused"));
        assert_eq!(
            (fine.bytes_received, fine.bytes_sent),
            (Logged::Value(5), Logged::Value(85))
        );
        assert_eq!(fine.sni, Logged::Absent);
        // From the operator of the other name.
        assert!(
            fine.downstream_remote
                .value()
                .and_then(Address::socket)
                .is_some()
        );
        let Reader::Text(format) = &reader else {
            panic!("text is JSON");
        };
        let record = format.parse(&refused.raw).unwrap();
        assert_eq!(record.logged("REQ(X?Y)"), Logged::Absent, "{name}");
        assert_eq!(record.get("ACCESS_LOG_TYPE"), Some("TcpConnectionEnd"));
        assert_eq!(
            record.get("RESPONSE_FLAGS_LONG"),
            Some("UpstreamConnectionFailure,UpstreamRetryLimitExceeded")
        );
    }
}

#[test]
fn omitted_values_are_absent_and_others_are_not() {
    let (_, with_dashes) = read("plain");
    let (_, omitting) = read("plain-omit");
    for (a, b) in with_dashes.into_iter().zip(omitting) {
        assert_eq!(
            HopLine {
                raw: b.raw.clone(),
                ..a
            },
            b
        );
    }
    let plain = Format::compile("[%REQUESTED_SERVER_NAME%] %BYTES_SENT%").unwrap();
    assert!(plain.parse("[x] ").is_err());
    let record_of = plain.clone().omitting_empty();
    let record = record_of.parse("[] ").unwrap();
    assert_eq!(record.logged("BYTES_SENT"), Logged::Absent);
    assert_eq!(
        plain.parse("[] 1").unwrap().logged("REQUESTED_SERVER_NAME"),
        Logged::Value("")
    );
}

#[test]
fn flags_by_their_long_names() {
    let reader = Reader::new("%RESPONSE_FLAGS_LONG% %BYTES_SENT%").unwrap();
    let line = reader
        .read("NoRouteFound,UpstreamRetryLimitExceeded,NewOne 0")
        .unwrap();
    assert_eq!(line.flags, ["NR", "URX", "NewOne"]);
    assert!(reader.read("- 0").unwrap().flags.is_empty());
}

#[test]
fn details_with_spaces_keep_to_their_brackets() {
    let reader = Reader::new("%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\"").unwrap();
    let line = reader
        .read("UF,URX upstream_reset{connection failure,TLS error: [a b]} rbac access denied \"TLS error: x\"")
        .unwrap();
    assert_eq!(
        line.code_details.text(),
        Some("upstream_reset{connection_failure,TLS_error:_[a_b]}")
    );
    assert_eq!(line.termination_details.text(), Some("rbac_access_denied"));
    assert_eq!(line.upstream_failure.text(), Some("TLS_error:_x"));
}

#[test]
fn json_formats_that_cannot_be_read_back_are_refused() {
    let error = |text: &str| JsonFormat::compile(text).unwrap_err().to_string();
    insta::assert_snapshot!(
        [
            error("["),
            error("[\"%DURATION%\"]"),
            error("{\"a\": {\"b\": \"%DURATION\"}}"),
            error("{\"a\": \"%DURATION%%PROTOCOL%\"}"),
            error("{\"a\": \"b\"}"),
            JsonFormat::omitting_empty("{\"a\": {\"b\": [\"%DURATION%\"]}}")
                .unwrap_err()
                .to_string(),
        ]
        .join("\n")
    );
    let many: Vec<String> = (0..65).map(|n| format!("\"{n}\": \"%A%\"")).collect();
    assert!(error(&format!("{{{}}}", many.join(","))).contains("64"));
}

#[test]
fn json_lines_of_another_format_are_refused() {
    let format = JsonFormat::compile(
        r#"{"a": "%DURATION%", "b": {"c": "in %BYTES_SENT%"}, "d": ["%PROTOCOL%"], "v": 1}"#,
    )
    .unwrap();
    let good = r#"{"a":1,"b":{"c":"in 2"},"d":[null],"v":1.0}"#;
    let record = format.parse(good).unwrap();
    assert_eq!(record.logged("BYTES_SENT"), Logged::Value("2"));
    let bad = [
        good.replace("\"a\":1,", ""),
        good.replace("\"a\"", "\"z\""),
        good.replace("\"a\":1", "\"a\":1,\"a\":2"),
        good.replace("in 2", "out 2"),
        good.replace("\"in 2\"", "null"),
        good.replace("[null]", "[]"),
        good.replace("[null]", "[null,null]"),
        good.replace("[null]", "7"),
        good.replace("1.0", "2"),
        good.replace('}', ""),
        format!("{good} x"),
        format!(" {good}"),
    ];
    let errors: Vec<String> = bad
        .iter()
        .map(|line| format.parse(line).unwrap_err().to_string())
        .collect();
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn values_of_json_are_what_the_proxy_meant() {
    let format = JsonFormat::compile(
        r#"{"a": "%BYTES_SENT%", "b": "%FILTER_STATE(x)%", "c": "%REQ(Y)%", "d": "<%REQ(Z)%>"}"#,
    )
    .unwrap();
    let line = r#"{"d":"<\u00e9\n>","b":{"k":[1, "x"]},"c":"q\"","a":1.2e+16}"#;
    let record = format.parse(line).unwrap();
    let value =
        |record: &JsonRecord<'_>, key: &str| record.logged(key).value().map(|v| (*v).to_owned());
    assert_eq!(
        value(&record, "FILTER_STATE(x)").unwrap(),
        r#"{"k":[1, "x"]}"#
    );
    assert_eq!(value(&record, "REQ(Y)").unwrap(), "q\"");
    assert_eq!(value(&record, "REQ(Z)").unwrap(), "é\n");
    // Beyond what a floating-point number holds exactly nothing is made of it.
    assert_eq!(value(&record, "BYTES_SENT").unwrap(), "1.2e+16");
    assert!(HopLine::from_json(&record).is_err());
    let exact = line.replace("1.2e+16", "1e+15");
    let read = HopLine::from_json(&format.parse(&exact).unwrap()).unwrap();
    assert_eq!(read.bytes_sent, Logged::Value(1_000_000_000_000_000));
    assert_eq!(record.copied(), 2);
}

/// An operator with a value that it can have, free of what stands between values.
fn operator() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        (Just("BYTES_SENT"), "-|0|[1-9][0-9]{0,11}"),
        (Just("RESPONSE_FLAGS"), "-|UF,URX|NR|DT"),
        (Just("UPSTREAM_HOST"), "-|[0-9a-f.:]{1,20}"),
        (
            Just("RESPONSE_CODE_DETAILS"),
            "-|[a-z_]{1,9}\\{[a-z ]{0,9}\\}"
        ),
        (Just("REQ(X-A?:PATH):7"), "-|[a-zé/]{0,7}"),
        (Just("DYNAMIC_METADATA(a:b)"), "-|[a-z \\\\{}:,]{0,12}"),
        (Just("START_TIME(%s.%3f)"), "1[0-9]{9}\\.[0-9]{3}"),
        (Just("CEL(f(x) + '%')"), "[a-z]{1,3}"),
    ]
}

/// Text between values: characters that no value has, and a line break now and then.
const BETWEEN: &str = "[%|;\"<>=#]{1,4}|\n[|;#]{1,2}";

proptest! {
    #[test]
    fn what_is_written_in_an_own_format_is_read(
        head in "([\\[|;\"<>=#]{1,3})?",
        fields in prop::collection::vec((operator(), BETWEEN), 1..20),
        end in any::<bool>(),
    ) {
        let mut text = head.clone();
        let last = fields.len() - 1;
        for (index, ((name, _), behind)) in fields.iter().enumerate() {
            let behind = if index == last && !end { String::new() } else { behind.replace('%', "%%") };
            text = format!("{text}%{name}%{behind}");
        }
        let format = Format::compile(&text).unwrap();
        let values: Vec<&str> = fields.iter().map(|((_, value), _)| value.as_str()).collect();
        let line = format.render(&values).unwrap();
        prop_assert_eq!(line.lines().count(), format.height());
        let record = format.parse(&line).unwrap();
        let read: Vec<&str> = record.iter().map(|(_, value)| value).collect();
        prop_assert_eq!(read, values);
        let reader = Reader::Text(format);
        prop_assert_eq!(&Reader::new(&reader.to_string()).unwrap(), &reader);
    }

    #[test]
    fn what_is_written_in_an_own_json_format_is_read(
        keys in prop::collection::btree_map("\\PC{0,6}", (operator(), prop::option::of("\\PC{0,9}"), 0..4u8), 1..20),
        omit in any::<bool>(),
    ) {
        let mut object = serde_json::Map::new();
        let mut nested = serde_json::Map::new();
        for (key, ((name, _), _, how)) in &keys {
            match how {
                0 => object.insert(key.clone(), format!("%{name}%").into()),
                1 => object.insert(key.clone(), format!("<%{name}%\n>").into()),
                2 => nested.insert(key.clone(), format!("%{name}%").into()),
                _ => object.insert(key.clone(), vec!["100%%".to_owned(), "\"".to_owned()].into()),
            };
        }
        object.insert("nested in it".into(), nested.into());
        object.insert("first".into(), "%DURATION%".into());
        if omit {
            object.retain(|_, value| !value.is_array());
        }
        let text = serde_json::Value::from(object).to_string();
        let name = format!("{}{text}", if omit { "json,omit-empty:" } else { "json:" });
        let Reader::Json(format) = Reader::new(&name).unwrap() else { panic!("JSON is text") };
        let values: Vec<Option<String>> = format.operators().map(|operator| {
            let of_key = keys.values().find(|((name, _), _, _)| name.starts_with(operator.key()));
            let ((name, value), text, how) = of_key?;
            // Alone a value may be any text; within text it is free of what stands around it.
            let free = *how != 1 && (name.starts_with("REQ") || name.starts_with("DYN"));
            let value = if free { text.clone()? } else { value.clone() };
            (value != "-" && !value.is_empty()).then_some(value)
        }).collect();
        let given: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
        let line = format.render(&given).unwrap();
        let record = format.parse(&line).unwrap();
        let read: Vec<Option<&str>> = record.iter().map(|(_, value)| value.value().copied()).collect();
        prop_assert_eq!(read, given);
    }

    #[test]
    fn no_text_panics(format in "\\PC{0,60}|[%A-Z(){}:\",\\[\\]0-9 ]{0,60}", line in "\\PC{0,80}", omit in any::<bool>()) {
        for prefix in ["", "json:", "json,omit-empty:", "text,omit-empty:"] {
            if let Ok(reader) = Reader::new(&format!("{prefix}{format}")) {
                let _ = reader.read(&line);
                let _ = read_log(&reader, &[&line, "", &format]);
            }
        }
        let compile = if omit { JsonFormat::omitting_empty } else { JsonFormat::compile };
        let _ = compile(&format);
    }

    #[test]
    fn no_damaged_json_line_panics_or_passes_for_another(at in 0usize..700, put in "\\PC{0,2}") {
        let written = written().into_iter().find(|w| w.name == "json").unwrap();
        let reader = Reader::new(&written.format).unwrap();
        let line = &written.lines[0];
        let at = (at..=line.len()).find(|at| line.is_char_boundary(*at)).unwrap_or(line.len());
        let damaged = format!("{}{put}", &line[..at]);
        if at < line.len() && !put.ends_with('}') {
            prop_assert!(reader.read(&damaged).is_err());
        }
    }
}
