//! Times in the forms that `%START_TIME(...)%` can give them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil::DateTime};

/// How a time is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TimeFormat(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(char),
    Year,
    Month,
    MonthName,
    Day,
    Hour,
    Minute,
    Second,
    /// Seconds since 1970.
    Epoch,
    /// So many digits of the second's fraction; without a number as many as there are, with their
    /// point.
    Fraction(Option<usize>),
    /// `+0000` or `+00:00`.
    Offset,
    /// `UTC`.
    Zone,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl TimeFormat {
    /// For `START_TIME` and `START_TIME_LOCAL`, where what they print tells one moment to the
    /// millisecond. Coarser times would make sessions look simultaneous that are not.
    pub(super) fn of(operator: &str, argument: Option<&str>) -> Option<Self> {
        let format = match (operator, argument) {
            ("START_TIME", None | Some("")) => "%Y-%m-%dT%H:%M:%E3SZ",
            ("START_TIME_LOCAL", None | Some("")) => "%Y-%m-%dT%H:%M:%E3S%z",
            ("START_TIME" | "START_TIME_LOCAL", Some(format)) => format,
            _ => return None,
        };
        let parts = parts(format)?;
        let has = |part: &Part| parts.contains(part);
        let month = has(&Part::Month) || has(&Part::MonthName);
        let civil = [
            Part::Year,
            Part::Day,
            Part::Hour,
            Part::Minute,
            Part::Second,
        ];
        let moment = has(&Part::Epoch)
            || (month && civil.iter().all(has) && (operator == "START_TIME" || has(&Part::Offset)));
        let fine = parts
            .iter()
            .any(|part| matches!(part, Part::Fraction(digits) if digits.is_none_or(|n| n >= 3)));
        (moment && fine).then_some(Self(parts))
    }

    /// The moment; `None` where the text has another form.
    pub(super) fn read(&self, text: &str) -> Option<Timestamp> {
        let mut found = Found::default();
        let mut rest = text;
        for part in &self.0 {
            rest = found.take(part, rest)?;
        }
        if rest.is_empty() {
            found.moment()
        } else {
            None
        }
    }
}

/// Conversions of `strftime`, of `absl::FormatTime` and of Envoy (`source/common/common/utility.cc`).
fn parts(format: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        parts.extend(rest[..at].chars().map(Part::Literal));
        rest = conversion(&rest[at + 1..], &mut parts)?;
    }
    parts.extend(rest.chars().map(Part::Literal));
    Some(parts)
}

fn conversion<'a>(text: &'a str, parts: &mut Vec<Part>) -> Option<&'a str> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        let count = text[..digits]
            .parse()
            .ok()
            .filter(|n| (1..=9).contains(n))?;
        parts.push(Part::Fraction(Some(count)));
        return text[digits..].strip_prefix('f');
    }
    let rest = text.get(1..)?;
    match text.as_bytes().first()? {
        b'E' => return extended(rest, parts),
        b'Y' => parts.push(Part::Year),
        b'm' => parts.push(Part::Month),
        b'b' | b'h' => parts.push(Part::MonthName),
        b'd' | b'e' => parts.push(Part::Day),
        b'H' => parts.push(Part::Hour),
        b'M' => parts.push(Part::Minute),
        b'S' => parts.push(Part::Second),
        b's' => parts.push(Part::Epoch),
        b'f' => parts.push(Part::Fraction(Some(9))),
        b'z' => parts.push(Part::Offset),
        b'Z' => parts.push(Part::Zone),
        b'%' => parts.push(Part::Literal('%')),
        b'F' => parts.extend(self::parts("%Y-%m-%d")?),
        b'T' => parts.extend(self::parts("%H:%M:%S")?),
        b'R' => parts.extend(self::parts("%H:%M")?),
        _ => return None,
    }
    Some(rest)
}

/// `%E3S`, `%E*S`, `%E3f`, `%E4Y`, `%Ez`.
fn extended<'a>(text: &'a str, parts: &mut Vec<Part>) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix("4Y") {
        parts.push(Part::Year);
        return Some(rest);
    }
    if let Some(rest) = text.strip_prefix('z').or_else(|| text.strip_prefix("*z")) {
        parts.push(Part::Offset);
        return Some(rest);
    }
    if let Some(rest) = text.strip_prefix("*S") {
        parts.extend([Part::Second, Part::Fraction(None)]);
        return Some(rest);
    }
    let count = usize::from(text.bytes().next().filter(u8::is_ascii_digit)? - b'0');
    if count == 0 {
        return None;
    }
    if let Some(rest) = text[1..].strip_prefix('S') {
        let fraction = Part::Fraction(Some(count));
        parts.extend([Part::Second, Part::Literal('.'), fraction]);
        return Some(rest);
    }
    parts.push(Part::Fraction(Some(count)));
    text[1..].strip_prefix('f')
}

/// What was read so far.
#[derive(Default)]
struct Found {
    epoch: Option<i64>,
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    nanosecond: i32,
    offset_s: i64,
}

impl Found {
    /// Reads one part at the start of `text` and gives the rest.
    fn take<'a>(&mut self, part: &Part, text: &'a str) -> Option<&'a str> {
        match part {
            Part::Literal(c) => text.strip_prefix(*c),
            Part::Year => number(text, 4, &mut self.year),
            Part::Month => number(text, 2, &mut self.month),
            Part::MonthName => {
                let name = text.get(..3)?;
                let at = MONTHS.iter().position(|month| *month == name)?;
                self.month = i8::try_from(at + 1).ok()?;
                Some(&text[3..])
            }
            // `%e` pads with a space.
            Part::Day => match text.strip_prefix(' ') {
                Some(text) => number(text, 1, &mut self.day),
                None => number(text, 2, &mut self.day),
            },
            Part::Hour => number(text, 2, &mut self.hour),
            Part::Minute => number(text, 2, &mut self.minute),
            Part::Second => number(text, 2, &mut self.second),
            // Ten digits from 2001 to 2286, and a fraction may follow at once.
            Part::Epoch => number(text, 10, self.epoch.insert(0)),
            Part::Fraction(digits) => self.fraction(*digits, text),
            Part::Offset => self.offset(text),
            Part::Zone => text
                .strip_prefix("UTC")
                .or_else(|| text.strip_prefix("GMT")),
        }
    }

    fn fraction<'a>(&mut self, digits: Option<usize>, text: &'a str) -> Option<&'a str> {
        let (text, digits) = match digits {
            Some(digits) => (text, digits),
            None => match text.strip_prefix('.') {
                Some(text) => (text, text.bytes().take_while(u8::is_ascii_digit).count()),
                None => return Some(text),
            },
        };
        let mut value = 0i32;
        let rest = number(text, digits, &mut value)?;
        let missing = u32::try_from(9usize.checked_sub(digits)?).ok()?;
        self.nanosecond = value.checked_mul(10i32.pow(missing))?;
        Some(rest)
    }

    fn offset<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let sign = match text.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (mut hours, mut minutes) = (0i64, 0i64);
        let rest = number(&text[1..], 2, &mut hours)?;
        let rest = number(rest.strip_prefix(':').unwrap_or(rest), 2, &mut minutes)?;
        self.offset_s = sign * (hours * 3600 + minutes * 60);
        Some(rest)
    }

    fn moment(&self) -> Option<Timestamp> {
        if let Some(epoch) = self.epoch {
            return Timestamp::new(epoch, self.nanosecond).ok();
        }
        let civil = DateTime::new(
            self.year,
            self.month,
            self.day,
            self.hour,
            self.minute,
            self.second,
            self.nanosecond,
        );
        let utc = TimeZone::UTC.to_timestamp(civil.ok()?).ok()?;
        utc.checked_sub(SignedDuration::from_secs(self.offset_s))
            .ok()
    }
}

/// So many digits at the start of `text`, and the rest.
fn number<'a, T: std::str::FromStr>(text: &'a str, digits: usize, into: &mut T) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(digits)?;
    if head.is_empty() || !head.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    *into = head.parse().ok()?;
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::TimeFormat;

    fn read(argument: &str, text: &str) -> String {
        let format = TimeFormat::of("START_TIME", Some(argument)).unwrap();
        format.read(text).unwrap().to_string()
    }

    /// Printed by Envoy 1.40 for one connection.
    #[test]
    fn one_moment_in_many_forms() {
        for (argument, text) in [
            ("", "2026-11-25T23:00:40.091Z"),
            ("%s.%3f", "1795647640.091"),
            ("%Y/%m/%d %H:%M:%E3S %Z", "2026/11/25 23:00:40.091 UTC"),
            ("%FT%T.%3fZ", "2026-11-25T23:00:40.091Z"),
        ] {
            assert_eq!(
                read(argument, text),
                "2026-11-25T23:00:40.091Z",
                "{argument}"
            );
        }
        for (argument, text) in [
            ("%Y-%m-%dT%H:%M:%S.%6f%z", "2026-11-25T23:00:40.091193+0000"),
            ("%b %e %H:%M:%E*S %Y", "Nov 25 23:00:40.091193 2026"),
            ("%s%9f", "1795647640091193000"),
            ("%Y-%m-%dT%H:%M:%S.%fZ", "2026-11-25T23:00:40.091193000Z"),
        ] {
            assert_eq!(
                read(argument, text),
                "2026-11-25T23:00:40.091193Z",
                "{argument}"
            );
        }
        let local = TimeFormat::of("START_TIME_LOCAL", None).unwrap();
        let moment = local.read("2026-11-26T01:00:40.091+0200").unwrap();
        assert_eq!(moment.to_string(), "2026-11-25T23:00:40.091Z");
    }

    #[test]
    fn what_tells_no_millisecond_is_not_read() {
        let of = |argument| TimeFormat::of("START_TIME", Some(argument));
        assert_eq!(of("%s"), None);
        assert_eq!(of("%d/%b/%Y:%H:%M:%S %z"), None);
        assert_eq!(of("%H:%M:%E3S"), None);
        assert_eq!(of("%c.%3f"), None);
        assert_eq!(of("%s.%1f"), None);
        assert_eq!(of("%s.%99f"), None);
        assert_eq!(TimeFormat::of("START_TIME_LOCAL", Some("%F %E3S")), None);
        assert_eq!(TimeFormat::of("EMIT_TIME", None), None);
        let format = of("").unwrap();
        for text in [
            "",
            "-",
            "2026-11-25T23:00:40.091",
            "2026-13-25T23:00:40.091Z",
            "é",
        ] {
            assert_eq!(format.read(text), None, "{text}");
        }
    }
}
