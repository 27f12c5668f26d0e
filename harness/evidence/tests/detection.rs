//! The format of a log, told from the mesh configuration and from its first lines.
#![allow(clippy::unwrap_used, clippy::too_many_lines)]

mod support;

use meshproof_evidence::access_log::{NEEDS, Written};
use meshproof_evidence::{BuiltIn, Expected, MeshLogs, Reader, read_log};
use serde_json::{Value, json};

/// Formats that a mesh's logs can have by its configuration, or why they cannot be read.
fn told(config: Value, telemetry: &[&str]) -> String {
    let logs: MeshLogs = serde_json::from_value(config).unwrap();
    match logs.written_by(telemetry) {
        Err(error) => error.to_string(),
        Ok(Written::Nowhere(why)) => why,
        Ok(Written::Output(expected)) => {
            let names = expected.candidates().iter().map(|candidate| {
                let built_in = BuiltIn::ALL
                    .into_iter()
                    .find(|built_in| *built_in.reader() == candidate.reader);
                match built_in {
                    Some(_) => candidate.name.clone(),
                    None => format!("{} = {}", candidate.name, candidate.reader),
                }
            });
            names.collect::<Vec<_>>().join("\n    ")
        }
    }
}

const OWN: &str =
    "%RESPONSE_FLAGS% %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS%";

fn own_json() -> Value {
    json!({"f": "%RESPONSE_FLAGS%", "c": "%UPSTREAM_CLUSTER%", "u": "%UPSTREAM_LOCAL_ADDRESS%", "d": "%DOWNSTREAM_REMOTE_ADDRESS%"})
}

#[test]
fn the_mesh_configuration_names_the_format() {
    let own_json_text = own_json().to_string();
    let provider = |file: Value| json!([{"name": "Mine", "envoyFileAccessLog": file}, {"name": "otel", "envoyOtelAls": {"port": 1}}]);
    let default = json!({"accessLogging": ["mine"]});
    let file = "/dev/stdout";
    let rows: Vec<(&str, Value, &[&str])> = vec![
        ("nothing", json!({}), &[]),
        ("empty file", json!({"accessLogFile": ""}), &[]),
        ("default TEXT", json!({"accessLogFile": file}), &[]),
        (
            "default JSON",
            json!({"accessLogFile": file, "accessLogEncoding": "JSON"}),
            &[],
        ),
        (
            "own TEXT",
            json!({"accessLogFile": file, "accessLogFormat": OWN}),
            &[],
        ),
        (
            "own JSON",
            json!({"accessLogFile": file, "accessLogEncoding": "JSON", "accessLogFormat": own_json_text}),
            &[],
        ),
        (
            "JSON with a format that is none",
            json!({"accessLogFile": file, "accessLogEncoding": "JSON", "accessLogFormat": OWN}),
            &[],
        ),
        (
            "a file in the container",
            json!({"accessLogFile": "/var/log/x"}),
            &[],
        ),
        (
            "an unknown encoding",
            json!({"accessLogFile": file, "accessLogEncoding": "json"}),
            &[],
        ),
        (
            "a bad format",
            json!({"accessLogFile": file, "accessLogFormat": "%DURATION"}),
            &[],
        ),
        (
            "no flags",
            json!({"accessLogFile": file, "accessLogFormat": OWN.replace("%RESPONSE_FLAGS% ", "")}),
            &[],
        ),
        (
            "no cluster",
            json!({"accessLogFile": file, "accessLogFormat": OWN.replace("%UPSTREAM_CLUSTER% ", "")}),
            &[],
        ),
        (
            "the built-in provider",
            json!({"accessLogFormat": OWN, "defaultProviders": {"accessLogging": ["envoy"]}}),
            &[],
        ),
        (
            "own provider, text",
            json!({"accessLogFile": "/var/log/x", "extensionProviders": provider(json!({"path": file, "logFormat": {"text": OWN}})), "defaultProviders": default}),
            &[],
        ),
        (
            "own provider, text omitting",
            json!({"extensionProviders": provider(json!({"logFormat": {"text": OWN}, "omitEmptyValues": true})), "defaultProviders": default}),
            &[],
        ),
        (
            "own provider, labels",
            json!({"extensionProviders": provider(json!({"logFormat": {"labels": own_json()}})), "defaultProviders": default}),
            &[],
        ),
        (
            "own provider, no labels",
            json!({"extensionProviders": provider(json!({"logFormat": {"labels": {}}})), "defaultProviders": default}),
            &[],
        ),
        (
            "own provider, nothing",
            json!({"accessLogEncoding": "JSON", "extensionProviders": provider(json!({})), "defaultProviders": default}),
            &[],
        ),
        (
            "own provider, omitting labels in a list",
            json!({"extensionProviders": provider(json!({"logFormat": {"labels": {"l": ["%DURATION%"]}}, "omitEmptyValues": true})), "defaultProviders": default}),
            &[],
        ),
        (
            "a provider that writes no file",
            json!({"accessLogFile": file, "accessLogFormat": OWN, "extensionProviders": provider(json!({})), "defaultProviders": {"accessLogging": ["otel", "nobody"]}}),
            &[],
        ),
        (
            "Telemetry names one more",
            json!({"accessLogFile": file, "accessLogFormat": OWN, "extensionProviders": provider(json!({"logFormat": {"labels": own_json()}}))}),
            &["mine"],
        ),
        (
            "Telemetry names the same",
            json!({"accessLogFile": file, "accessLogFormat": OWN}),
            &["envoy"],
        ),
        ("Telemetry alone", json!({}), &["envoy"]),
    ];
    let shown = rows
        .into_iter()
        .map(|(what, config, telemetry)| format!("{what}\n    {}\n", told(config, telemetry)));
    insta::assert_snapshot!(shown.collect::<String>());
}

/// Fields that decide nothing here may hold anything.
#[test]
fn the_rest_of_the_mesh_configuration_is_left_alone() {
    let text = json!({"accessLogFile": null, "rootNamespace": "x", "defaultConfig": {"concurrency": 2},
        "extensionProviders": [{"name": "z", "zipkin": {"service": "z", "port": 1}}]});
    assert!(told(text, &[]).contains("off"));
}

fn startup() -> Vec<String> {
    [
        "2026-11-23T08:05:40.000000Z\tinfo\tEffective config: binaryPath: /usr/local/bin/envoy",
        "concurrency: 2",
        "configPath: ./etc/istio/proxy",
        "",
        "I1123 08:05:41.000000       1 reflector.go:12] watching",
        "{\"level\":\"info\",\"time\":\"2026-11-23T08:05:41Z\",\"msg\":\"Envoy proxy is ready\"}",
        "[2026-11-23 08:05:42.000][7][warning][main] [source/server/server.cc:1] there is no limit",
    ]
    .map(str::to_owned)
    .to_vec()
}

const OLD_REASON: &str =
    "TLS error: 268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED";

#[test]
fn first_lines_tell_the_release_past_what_programs_print() {
    let tail = r#"10 - "-" "-" "-" "-" "10.0.0.1:3306" outbound|3306||mysql 10.0.0.2:4 10.0.0.3:5 10.0.0.4:6 - -"#;
    let text =
        |middle: &str| format!("[2021-02-10T21:19:08.292Z] \"- - -\" 0 {middle} 176 115 {tail}");
    let json = |built_in: BuiltIn| {
        let Reader::Json(format) = built_in.reader() else {
            panic!("JSON is text");
        };
        let values = vec![None; format.operators().len()];
        format.render(&values).unwrap()
    };
    let rows = [
        (text("- - - \"-\""), BuiltIn::Text, 1),
        (text("NR filter_chain_not_found - \"-\""), BuiltIn::Text, 1),
        (text("- \"-\""), BuiltIn::Text1x8, 0),
        (
            text(&format!("UF,URX \"{OLD_REASON}\"")),
            BuiltIn::Text1x8,
            0,
        ),
        (
            text(&format!("UF,URX \"-\" \"{OLD_REASON}\"")),
            BuiltIn::Text1x3,
            0,
        ),
        (
            text(&format!(
                "UF,URX upstream_reset{{connection failure}} - \"{OLD_REASON}\""
            )),
            BuiltIn::Text,
            1,
        ),
        (text("- \"-\" \"-\""), BuiltIn::Text1x3, 0),
        (json(BuiltIn::Json), BuiltIn::Json, 1),
        (json(BuiltIn::Json1x8), BuiltIn::Json1x8, 0),
        (json(BuiltIn::Json1x3), BuiltIn::Json1x3, 0),
    ];
    for (line, built_in, same) in rows {
        let mut lines = startup();
        lines.extend([line.clone(), line.clone()]);
        let detected = Expected::any_of_istio().settle(&lines).unwrap();
        assert_eq!(detected.format.reader, *built_in.reader(), "{line}");
        assert_eq!(detected.same.len(), same, "{line}: {:?}", detected.same);
        assert_eq!(detected.skipped.total(), 7);
        let read = read_log(&detected.format.reader, &lines).unwrap().lines;
        let reason = read[0].upstream_failure.text();
        assert_eq!(reason.is_some(), line.contains("TLS"), "{line}");
        assert!(reason.is_none_or(|reason| reason == OLD_REASON.replace(' ', "_")));
    }
}

#[test]
fn one_line_of_another_format_is_an_error_with_its_number() {
    let fine = support::text_of("ok").logs["egress"][0].clone();
    let mut lines = startup();
    lines.push(fine.clone());
    let at_end = |line: &str| {
        let mut lines = lines.clone();
        lines.push(line.to_owned());
        Expected::any_of_istio()
            .settle(&lines)
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(
        [
            at_end("{\"start_time\": 1}"),
            at_end(&fine[..80]),
            at_end("something else"),
            Expected::any_of_istio()
                .settle(&startup())
                .unwrap_err()
                .to_string(),
        ]
        .join("\n")
    );
}

#[test]
fn a_damaged_record_is_not_taken_for_the_rest_of_a_programs_words() {
    let lines = support::text_of("ok").logs["egress"].clone();
    let reader = BuiltIn::Failures.reader();
    let at = |damaged: &str| {
        let mut all = startup();
        all.push(damaged.to_owned());
        all.extend(lines.clone());
        read_log(reader, &all)
    };
    let line = &lines[0];
    for damaged in [&line[..100], &line[40..], &line[1..], &line[..2]] {
        assert_eq!(at(damaged).unwrap_err().number, 8, "{damaged}");
    }
    let read = at("    at a place in the source").unwrap();
    assert_eq!((read.lines.len(), read.skipped.total()), (1, 8));
}

#[test]
fn two_own_formats_that_fit_the_same_line_are_not_guessed_between() {
    let one = Expected::known(
        "one",
        Reader::new("%BYTES_SENT% %BYTES_RECEIVED% %PROTOCOL%").unwrap(),
    );
    let other = Expected::known(
        "other",
        Reader::new("%BYTES_RECEIVED% %BYTES_SENT% %PROTOCOL%").unwrap(),
    );
    let both = one.or(other);
    let error = both.settle(&["1 2 x"]).unwrap_err();
    insta::assert_snapshot!(error, @"access log format: the lines can be those of one and of other");
}

/// `FORMATS.md` says of each format what the code says.
#[test]
fn the_page_is_current() {
    let page = include_str!("../FORMATS.md");
    for built_in in BuiltIn::ALL {
        let lacks: Vec<String> = built_in
            .reader()
            .lacks()
            .map(|need| format!("`{}`", need.names()))
            .collect();
        let lacks = if lacks.is_empty() {
            "nothing".to_owned()
        } else {
            lacks.join(", ")
        };
        let row = format!("| {} | {lacks} |", built_in.releases());
        assert!(page.contains(&row), "the page has no row\n{row}");
    }
    for need in NEEDS {
        let how = if need.essential { "refused" } else { "said" };
        let row = format!("| `{}` | {} | {how} |", need.names(), need.without);
        assert!(page.contains(&row), "the page has no row\n{row}");
    }
}
