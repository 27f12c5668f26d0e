use std::path::Path;

use meshproof_record::Problem;
use proptest::prelude::*;

use super::*;
use crate::testing::{failed, inconclusive, interrupted, negative, positive, run, skipped};

fn plain(record: &RunRecord) -> String {
    let folder = Path::new("target/meshproof/20260301-101112-abcd");
    table(
        record,
        TableOptions {
            colour: false,
            folder: Some(folder),
        },
    )
}

#[test]
fn pass() {
    insta::assert_snapshot!(plain(&run(vec![positive(), negative()])));
}

#[test]
fn pass_in_colour() {
    let text = table(
        &run(vec![positive(), negative()]),
        TableOptions {
            colour: true,
            folder: None,
        },
    );
    insta::assert_snapshot!(text.replace('\u{1b}', "ESC"));
}

#[test]
fn fail_and_inconclusive() {
    insta::assert_snapshot!(plain(&run(vec![failed(), inconclusive(), skipped()])));
}

#[test]
fn an_interrupted_run() {
    insta::assert_snapshot!(plain(&interrupted()));
}

#[test]
fn a_failed_set_up() {
    let mut record = run(vec![]);
    record.scenarios.clear();
    record.problems = vec![Problem {
        during: "start clusters".into(),
        message:
            "starting mysqld: it ended with 1: [ERROR] Can't start server: Bind on TCP/IP port: \
                  Address already in use: its last lines are above"
                .into(),
    }];
    insta::assert_snapshot!(plain(&record));
}

#[test]
fn long_names() {
    let mut case = failed();
    case.name = "a-name-that-somebody-made-very-long-because-every-parameter-of-the-matrix-is-part-of-it-tls13".into();
    case.duration_ms = 123_456.0;
    let mut record = run(vec![case]);
    record.scenarios[0].file =
        "/home/somebody/a/folder/within/another/folder/scenarios/mysql-mtls.yaml".into();
    insta::assert_snapshot!(plain(&record));
}

#[test]
fn names_that_are_not_ascii() {
    let mut case = failed();
    case.name = "größe-数据库-加密".into();
    case.verdict.summary = "der Zeuge fehlt: 数据库没有收到任何会话，所以这个案例什么也没有证明，请查看日志文件以了解更多信息".into();
    insta::assert_snapshot!(plain(&run(vec![case, positive()])));
}

proptest! {
    #[test]
    fn whatever_the_record_holds_no_line_is_wider_than_a_terminal(
        name: String, file: String, summary: String, during: String, ms: f64,
    ) {
        let mut record = interrupted();
        record.scenarios[0].name.clone_from(&name);
        record.scenarios[0].file = file;
        let case = &mut record.scenarios[0].cases[1];
        case.name = name;
        case.verdict.summary = summary;
        case.duration_ms = ms.clamp(0.0, 1e9);
        record.problems[0].during = during;
        let text = plain(&record);
        for line in text.lines() {
            prop_assert!(columns(line) <= WIDTH, "{} columns: {line}", columns(line));
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
}
