//! Error lines of MySQL 5.6 to 9 and MariaDB 5.5 to 11.
#![allow(clippy::unwrap_used)]

use meshproof_sql::{ClientEnd, Phase, client_end, find_error};

#[test]
fn every_wording_is_read() {
    let lines = [
        "ERROR 2003 (HY000): Can't connect to MySQL server on '34.66.165.46.nip.io' (110)",
        "ERROR 2003 (HY000): Can't connect to MySQL server on '34.66.165.46.nip.io:3306' (110)",
        "ERROR 2003 (HY000): Can't connect to MySQL server on '127.0.0.1' (111 \"Connection refused\")",
        "ERROR 2003 (HY000): Can't connect to MySQL server on '10.0.0.1' (113 \"No route to host\")",
        "ERROR 2002 (HY000): Can't connect to server on '203.0.113.10.nip.io' (110)",
        "ERROR 2002 (HY000): Can't connect to server on '127.0.0.1' (115)",
        "ERROR 2002 (HY000): Can't connect to local server through socket '/run/mysqld/mysqld.sock' (2)",
        "ERROR 2002 (HY000): Can't connect to local MySQL server through socket '/tmp/mysql.sock' (2)",
        "ERROR 2005 (HY000): Unknown MySQL server host 'nosuch' (0)",
        "ERROR 2005 (HY000): Unknown server host 'nosuch' (-2)",
        "ERROR 2013 (HY000): Lost connection to MySQL server at 'reading initial communication packet', system error: 110",
        "ERROR 2013 (HY000): Lost connection to MySQL server at 'reading initial communication packet', system error: 0 \"Internal error/check (Not system error)\"",
        "ERROR 2013 (HY000): Lost connection to MySQL server at 'waiting for initial communication packet', system error: 110",
        "ERROR 2013 (HY000): Lost connection to server at 'handshake: reading initial communication packet', system error: 11",
        "ERROR 2013 (HY000): Lost connection to server at 'reading authorization packet', system error: 11",
        "ERROR 2013 (HY000): Lost connection to MySQL server at 'sending authentication information', system error: 32",
        "ERROR 2013 (HY000): Lost connection to MySQL server at 'reading final connect information', system error: 104",
        "ERROR 2013 (HY000) at line 1: Lost connection to MySQL server during query",
        "ERROR 2013 (HY000) at line 4: Lost connection to server during query",
        "ERROR 2006 (HY000) at line 2: MySQL server has gone away",
        "ERROR 2026 (HY000): SSL connection error: error:1408F10B:SSL routines:ssl3_get_record:wrong version number",
        "ERROR 2026 (HY000): TLS/SSL error: SSL is required, but the server does not support it",
        "ERROR 1045 (28000): Access denied for user 'root'@'127.0.0.6' (using password: YES)",
        "ERROR 1049 (42000): Unknown database 'nosuch'",
        "ERROR 1129 (HY000): Host '10.18.0.5' is blocked because of many connection errors; unblock with 'mysqladmin flush-hosts'",
        "ERROR 1130 (HY000): Host '10.18.0.5' is not allowed to connect to this MySQL server",
        "ERROR 1040 (08004): Too many connections",
        "ERROR 1146 (42S02) at line 3: Table 'test.message' doesn't exist",
        "ERROR 2061 (HY000): Authentication plugin 'caching_sha2_password' reported error: Authentication requires secure connection.",
    ];
    let told: Vec<String> = lines
        .iter()
        .map(|line| format!("{line}\n  {}", describe(line)))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

fn describe(line: &str) -> String {
    let end = client_end(Some(1), line);
    let error = end.error().unwrap();
    let kind = format!("{end:?}");
    let kind = kind.split('(').next().unwrap();
    format!(
        "{kind} host={:?} errno={:?} phase={:?} statement={:?} greeted={:?}",
        error.host,
        error.errno,
        error.phase,
        error.statement_line,
        end.greeted()
    )
}

#[test]
fn what_stands_around_the_error_does_not_matter() {
    let stderr = "mysql: [Warning] Using a password on the command line interface can be insecure.\nE1123 08:08:06.297788   16077 websocket.go:296] Unknown stream id 1, discarding message\r\nERROR 2013 (HY000): Lost connection to server at 'handshake: reading initial communication packet', system error: 11\r\ncommand terminated with exit code 1\n";
    let error = find_error(stderr).unwrap();
    assert_eq!(
        (error.number, error.errno, error.phase),
        (2013, Some(11), Some(Phase::Greeting))
    );
}

#[test]
fn ends_without_an_error_line() {
    assert_eq!(
        client_end(Some(0), "WARNING: option --ssl is old\n"),
        ClientEnd::Connected
    );
    assert_eq!(client_end(None, ""), ClientEnd::Stopped);
    let unreadable = ClientEnd::Unreadable {
        exit: 127,
        last_line: "sh: 1: mysql: not found".into(),
    };
    assert_eq!(
        client_end(Some(127), "\nsh: 1: mysql: not found\n\n"),
        unreadable
    );
    for broken in [
        "ERROR",
        "ERROR 2013",
        "ERROR 2013 (HY000)",
        "ERROR x (HY000): y",
        "ERROR 2013 (HY) : y",
    ] {
        assert_eq!(find_error(broken), None, "{broken}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "(ERROR )?[0-9]{0,5} ?\\(?[A-Z0-9]{0,5}\\)?( at line )?[0-9]*:?\\PC{0,40}") {
        let _ = client_end(Some(1), &text);
    }
}
