//! Durations: read in Go's notation as Istio's API takes them, written as protobuf's JSON.

/// Nanoseconds of a duration such as `10s`, `1m30s`, `0.5s` or `250ms`; `None` where it is none.
pub(crate) fn parse(text: &str) -> Option<i128> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (nanos, after) = component(rest)?;
        total = total.checked_add(nanos)?;
        rest = after;
    }
    let limit = i128::from(i64::MAX);
    (total <= limit).then_some(if negative { -total } else { total })
}

/// One number with its unit, and what follows it.
fn component(text: &str) -> Option<(i128, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end);
    let unit_end = rest
        .find(|c: char| c.is_ascii_digit() || c == '.')
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let scale: i128 = match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty())
        || whole.len() > 18
        || fraction.len() > 18
        || fraction.contains('.')
    {
        return None;
    }
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let part: i128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    let divisor = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some((whole * scale + part * scale / divisor, rest))
}

/// Protobuf's JSON form: seconds with no, three, six or nine decimals.
pub(crate) fn format(nanos: i128) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if rest == 0 {
        format!("{sign}{seconds}s")
    } else if rest % 1_000_000 == 0 {
        format!("{sign}{seconds}.{:03}s", rest / 1_000_000)
    } else if rest % 1_000 == 0 {
        format!("{sign}{seconds}.{:06}s", rest / 1_000)
    } else {
        format!("{sign}{seconds}.{rest:09}s")
    }
}

/// The protobuf form of a duration that admission has accepted; unreadable text gives none.
pub(crate) fn envoy(text: &str) -> Option<String> {
    parse(text).map(format)
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn reads_go_and_writes_protobuf() {
        for (text, want) in [
            ("10s", "10s"),
            ("1m30s", "90s"),
            ("0.5s", "0.500s"),
            ("250ms", "0.250s"),
            ("1.5h", "5400s"),
            ("7us", "0.000007s"),
            ("-1s", "-1s"),
            ("0", "0s"),
        ] {
            assert_eq!(parse(text).map(format).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in [
            "",
            "-",
            "10",
            "s",
            "1x",
            "1.2.3s",
            "1s ",
            "99999999999999999999h",
            ".",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
