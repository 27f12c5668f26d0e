//! Every recorded client end is understood.
#![allow(clippy::unwrap_used)]

use meshproof_sql::{ClientEnd, client_end};
use serde_json::Value;

fn records() -> Vec<Value> {
    let text = include_str!("data/client-ends.jsonl");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_recording_has_its_end() {
    let mut table = Vec::new();
    for record in records() {
        let id = record["id"].as_str().unwrap();
        let exit = i32::try_from(record["exit"].as_i64().unwrap()).unwrap();
        let end = client_end(Some(exit), record["stderr"].as_str().unwrap());
        assert!(
            !matches!(end, ClientEnd::Unreadable { .. } | ClientEnd::Failed(_)),
            "{id}: {end:?}"
        );
        let kind = format!("{end:?}");
        let errno = end
            .error()
            .and_then(|error| error.errno)
            .map(|errno| format!(" {errno}"))
            .unwrap_or_default();
        table.push(format!(
            "{id}: {}{errno}",
            kind.split(['(', ' ']).next().unwrap()
        ));
        judge(&end, &record["truth"], id);
    }
    assert_eq!(table.len(), 69);
    insta::assert_snapshot!(table.join("\n"));
}

fn judge(end: &ClientEnd, truth: &Value, id: &str) {
    // A TLS tool or a raw socket, not the MySQL client: it exits with 0 whatever happened.
    if id.starts_with("unmeshed-tls")
        || id.starts_with("unmeshed-egress")
        || id == "unmeshed-13306-speaks"
    {
        return;
    }
    assert_eq!(
        truth["outcome"] == "connected",
        *end == ClientEnd::Connected,
        "{id}"
    );
    match truth["cause"].as_str().unwrap() {
        "auth-denied" => assert!(matches!(end, ClientEnd::AuthDenied(_)), "{id}"),
        "unknown-database" => assert!(matches!(end, ClientEnd::UnknownDatabase(_)), "{id}"),
        "policy-denied" => assert!(matches!(end, ClientEnd::LostAfterGreeting(_)), "{id}"),
        "none" => {}
        _ => assert_eq!(end.greeted(), Some(false), "{id}"),
    }
}
