//! When things happened in a case, as far as the record tells: one lane for each clock, as the clocks have
//! no common zero.

use jiff::Timestamp;
use meshproof_record::{CaseRecord, ClientEvidence, LogEvidence, ProbeReport, WireEvidence, word};
use serde::Serialize;

/// Most entries of one source. All of them are in `run.json`.
const MOST: usize = 12;

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Lane {
    /// What is zero.
    clock: &'static str,
    entries: Vec<Entry>,
}

/// Times are milliseconds from the lane's zero.
#[derive(Debug, PartialEq, Serialize)]
struct Entry {
    what: String,
    at: f64,
    /// Zero for a moment.
    lasts: f64,
}

pub(super) fn lanes(case: &CaseRecord) -> Vec<Lane> {
    let mut lanes = vec![of_case(case)];
    if let Some(wire) = &case.evidence.wire {
        lanes.push(of_link(wire));
    }
    let clients = [&case.evidence.client, &case.evidence.waiting_client];
    lanes.extend(clients.into_iter().flatten().filter_map(of_prober));
    lanes.retain(|lane| !lane.entries.is_empty());
    lanes
}

/// The case itself, and the times that stand in log lines. Proxies' clocks are their own.
fn of_case(case: &CaseRecord) -> Lane {
    let mut entries = vec![Entry {
        what: "case".to_owned(),
        at: 0.0,
        lasts: case.duration_ms,
    }];
    if let Ok(zero) = case.started.parse::<Timestamp>() {
        for (hop, log) in &case.evidence.logs {
            let what = format!("{} logged a session that began", word(hop));
            entries.extend(logged(log, zero).map(|at| Entry {
                what: what.clone(),
                at,
                lasts: 0.0,
            }));
        }
    }
    Lane {
        clock: "from the start of the case",
        entries,
    }
}

fn logged(log: &LogEvidence, zero: Timestamp) -> impl Iterator<Item = f64> {
    let times = log.lines.iter().filter_map(|line| time_in(line));
    times
        .take(MOST)
        .map(move |time| time.duration_since(zero).as_secs_f64() * 1000.0)
}

/// The first RFC 3339 time of a line: `START_TIME` in every format of Istio's. No other operator of theirs
/// has such a form.
fn time_in(line: &str) -> Option<Timestamp> {
    let words = line.split(|c: char| !matches!(c, '0'..='9' | '-' | ':' | '.' | '+' | 'T' | 'Z'));
    words
        .filter(|word| word.len() >= "2026-03-01T10:11:12Z".len())
        .find_map(|word| word.parse().ok())
}

fn of_link(wire: &WireEvidence) -> Lane {
    let entries = wire.connections.iter().take(MOST).map(|connection| Entry {
        what: format!("{} to {}", connection.client, connection.server),
        at: connection.started_ms,
        lasts: connection.lasted_ms,
    });
    Lane {
        clock: "on the link, from the first packet",
        entries: entries.collect(),
    }
}

/// The phases of the prober's connection, where the client was the prober.
fn of_prober(client: &ClientEvidence) -> Option<Lane> {
    let report: ProbeReport = serde_json::from_str(&client.stdout).ok()?;
    let mut phases = vec![("name".to_owned(), report.dns.ms)];
    for tcp in report.tcp.iter().take(MOST) {
        phases.push((format!("TCP to {}: {}", tcp.address, word(tcp.end)), tcp.ms));
    }
    if let Some(tls) = &report.tls {
        phases.push((format!("TLS {}", tls.offered), tls.ms));
    }
    let mut at = 0.0;
    let mut entries = Vec::new();
    for (what, lasts) in phases {
        entries.push(Entry { what, at, lasts });
        at += lasts;
    }
    entries.push(Entry {
        what: "until the end".to_owned(),
        at,
        lasts: (report.ms - at).max(0.0),
    });
    Some(Lane {
        clock: "in the prober, from its first question",
        entries,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::positive;

    #[test]
    fn times_are_found_in_text_and_in_json() {
        let wanted: Timestamp = "2026-03-01T10:11:12.345Z".parse().unwrap();
        for line in [
            "[2026-03-01T10:11:12.345Z] \"- - -\" 0 - 176 10.1.0.4:15443",
            r#"{"bytes":176,"start_time":"2026-03-01T10:11:12.345Z"}"#,
        ] {
            assert_eq!(time_in(line), Some(wanted), "{line}");
        }
        assert_eq!(time_in("[2026-03-01] \"- - -\" 0 é 127.0.0.6:1"), None);
    }

    #[test]
    fn lines_stand_on_the_case_s_clock() {
        let mut case = positive();
        let log = case.evidence.logs.values_mut().next().unwrap();
        log.lines = vec!["[2026-03-01T10:11:12.150Z] ...".to_owned()];
        let lanes = lanes(&case);
        let entries = &lanes[0].entries;
        assert!((entries[1].at - 30.0).abs() < 0.001, "{entries:?}");
    }
}
