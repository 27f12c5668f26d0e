//! Lines of a log that is read in several streams: each once. Pure.
//!
//! A stream that breaks is opened again from a second before the last line that came: the API's `sinceTime` has
//! seconds, and several lines can have the same time. What came already is left out by time and number.

use k8s_openapi::jiff::Timestamp;

/// Where a log has been read to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resume {
    /// The time of the last line, and how many lines had it.
    last: Option<(Timestamp, usize)>,
    /// What the present stream repeats: older lines, and so many of that time.
    repeats: Option<(Timestamp, usize)>,
}

impl Resume {
    /// The time of the last line.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.last.map(|(time, _)| time)
    }

    /// Another stream begins.
    pub(crate) fn again(&mut self) {
        self.repeats = self.last;
    }

    /// The text of a line as it comes with its time in front; `None` where it came before.
    ///
    /// # Errors
    /// In words: there is no time in front.
    pub(crate) fn take<'a>(&mut self, line: &'a str) -> Result<Option<&'a str>, String> {
        let (time, text) = line.split_once(' ').unwrap_or((line, ""));
        let time: Timestamp = time
            .parse()
            .map_err(|_| format!("a line without a time in front: {line:?}"))?;
        if let Some((last, count)) = &mut self.repeats {
            if time < *last {
                return Ok(None);
            }
            if time == *last && *count > 0 {
                *count -= 1;
                return Ok(None);
            }
            self.repeats = None;
        }
        self.last = match self.last {
            Some((last, count)) if last == time => Some((last, count + 1)),
            _ => Some((time, 1)),
        };
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(resume: &mut Resume, lines: &[String]) -> Vec<String> {
        let taken = lines.iter().filter_map(|line| resume.take(line).unwrap());
        taken.map(str::to_owned).collect()
    }

    #[test]
    fn a_line_without_a_time_is_told() {
        let mut resume = Resume::default();
        assert!(resume.take("[2026-01-01T00:00:00Z] - -").is_err());
        assert_eq!(resume.take("2026-01-01T00:00:00.5Z a b"), Ok(Some("a b")));
        assert_eq!(resume.take("2026-01-01T00:00:00.51Z"), Ok(Some("")));
    }

    proptest! {
        /// Wherever streams break, and however far back they begin again.
        #[test]
        fn every_line_comes_once(
            steps in prop::collection::vec(0_u8..3, 1..30),
            breaks in prop::collection::vec((0_usize..30, 0_u8..4), 0..4),
        ) {
            let mut time = 0_u32;
            let lines: Vec<String> = steps.iter().enumerate().map(|(at, step)| {
                time += u32::from(*step) * 250;
                format!("2026-01-01T00:00:{:02}.{:03}Z line {at}", time / 1000, time % 1000)
            }).collect();
            let second = |line: &str| line[17..19].parse::<u8>().unwrap();
            let mut resume = Resume::default();
            let (mut found, mut from) = (Vec::new(), 0);
            for (end, back) in breaks {
                let end = end.clamp(from, lines.len());
                found.extend(taken(&mut resume, &lines[from..end]));
                resume.again();
                // From a whole second at least one before the last line.
                let last = end.checked_sub(1).map_or(0, |at| second(&lines[at]));
                let since = last.saturating_sub(1 + back);
                from = lines.iter().position(|line| second(line) >= since).unwrap_or(lines.len()).min(end);
            }
            found.extend(taken(&mut resume, &lines[from..]));
            let all: Vec<String> = (0..lines.len()).map(|at| format!("line {at}")).collect();
            prop_assert_eq!(found, all);
        }
    }
}
