//! What the programs beside the access log write about themselves into the same stream.

use serde_json::Value;

/// Whether a line was printed by a program about itself: by Envoy
/// (`[2026-11-23 08:05:48.106][7][info][main] ...`), by the agent beside it
/// (`2026-11-23T08:05:48.106Z<tab>info<tab>...`, or as JSON with a level and a message), by
/// Kubernetes' libraries in the agent (`I1123 08:05:48.106000 1 file.go:12] ...`); or is blank.
pub fn is_program_line(line: &str) -> bool {
    line.trim().is_empty()
        || envoy_line(line)
        || agent_line(line)
        || klog_line(line)
        || json_line(line)
}

fn envoy_line(line: &str) -> bool {
    let Some((time, rest)) = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]["))
    else {
        return false;
    };
    let thread = rest.split(']').next().unwrap_or_default();
    time.contains(' ') && starts_with_date(time) && thread.bytes().all(|byte| byte.is_ascii_digit())
}

fn agent_line(line: &str) -> bool {
    let mut fields = line.split('\t');
    fields.next().is_some_and(starts_with_date)
        && matches!(
            fields.next(),
            Some("trace" | "debug" | "info" | "warn" | "warning" | "error" | "critical" | "fatal")
        )
}

/// `I1123 08:05:48.106000       1 reflector.go:12] ...`
fn klog_line(line: &str) -> bool {
    let Some((head, rest)) = line.split_once(' ') else {
        return false;
    };
    let bytes = head.as_bytes();
    let dated = bytes.len() == 5
        && matches!(bytes[0], b'I' | b'W' | b'E' | b'F')
        && bytes[1..].iter().all(u8::is_ascii_digit);
    let place = rest.split_once("] ").map(|(place, _)| place);
    dated && place.is_some_and(|place| place.contains(".go:"))
}

/// The agent's JSON (`--log_as_json`), and Envoy's through it.
fn json_line(line: &str) -> bool {
    if !line.starts_with('{') || !line.contains("\"level\"") {
        return false;
    }
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(line) else {
        return false;
    };
    ["level", "time", "msg"]
        .iter()
        .all(|key| object.get(*key).is_some_and(Value::is_string))
}

fn starts_with_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[7] == b'-'
}

#[cfg(test)]
mod tests {
    use super::is_program_line;

    #[test]
    fn tells_what_programs_print_from_access_logs() {
        for line in [
            "[2026-11-23 08:05:48.106][7][info][main] [source/server/server.cc:1] starting",
            "2026-11-23T08:05:48.106Z\tinfo\tReadiness succeeded",
            "2026-11-23T08:05:48.106000Z\twarning\tenvoy config external/envoy/x.cc:1\tclosed\tthread=17",
            "{\"level\":\"info\",\"time\":\"2026-11-23T08:05:48.106Z\",\"msg\":\"Readiness succeeded\"}",
            "I1123 08:05:48.106000       1 reflector.go:12] watch closed",
            "",
            " \t",
        ] {
            assert!(is_program_line(line), "{line}");
        }
        for line in [
            "[2026-11-23T08:05:48.106Z] \"- - -\" 0 - - - \"-\" 247 189 8",
            "{\"start_time\": \"2026-11-23T08:05:48.106Z\"}",
            "{\"level\": 5, \"time\": \"x\", \"msg\": \"y\"}",
            "2026-11-23T08:05:48.106Z UF 12",
            "Error from somewhere] else.go: it",
        ] {
            assert!(!is_program_line(line), "{line}");
        }
    }
}
