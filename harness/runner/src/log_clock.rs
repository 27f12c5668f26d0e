//! Whether times in a log are by this machine's clock. Lines are told apart by them: where clocks disagree,
//! a line of the case looks like one of an earlier session, or the other way round.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use meshproof_evidence::HopLine;

/// How far two readings of one clock may be apart. Istio logs milliseconds.
const APART: SignedDuration = SignedDuration::from_secs(1);
/// How long a line may be on its way, beyond what its proxy keeps it.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(5);

/// Why the times of a line that came at `came` are not by this machine's clock. A proxy writes a line when
/// its connection has ended, and keeps it for `flush` at most.
pub(crate) fn foreign(line: &HopLine, came: Timestamp, flush: Duration) -> Option<String> {
    let start = *line.start.value()?;
    let ahead = start.duration_since(came);
    if ahead > APART {
        return Some(format!(
            "its clock is {} s ahead of this machine's: a connection that began at {start} was logged at {came}",
            ahead.as_secs()
        ));
    }
    let end = start.checked_add(*line.duration.value()?).ok()?;
    let flush = SignedDuration::try_from(flush).ok()?;
    let behind = came.duration_since(end) - flush;
    (behind > ON_ITS_WAY).then(|| {
        format!(
            "its clock is {} s behind this machine's: the line of a connection that ended at {end} came at {came}",
            behind.as_secs()
        )
    })
}

/// Why a moment of this machine's clock cannot be compared with later ones: it was set back since.
pub(crate) fn set_back(then: Timestamp, now: Timestamp, elapsed: Duration) -> Option<String> {
    let elapsed = SignedDuration::try_from(elapsed).ok()?;
    let back = elapsed - now.duration_since(then);
    (back > APART).then(|| {
        format!(
            "this machine's clock was set back by {} s while the case ran",
            back.as_secs()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshproof_evidence::{BuiltIn, Reader, read_log};

    const FLUSH: Duration = Duration::from_secs(1);

    /// A line of a connection that took three seconds from then on.
    fn line(start: &str) -> HopLine {
        let reader = Reader::new("%START_TIME% %DURATION%").unwrap();
        let read = read_log(&reader, &[format!("{start} 3000")]).unwrap();
        read.lines.into_iter().next().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn found(start: &str) -> Option<String> {
        foreign(&line(start), at("2026-03-01T10:00:10Z"), FLUSH)
    }

    #[test]
    fn a_line_that_comes_when_it_can_is_by_this_clock() {
        // It ended then, it ended as long before as it may, and it began within the precision.
        for start in ["10:00:07.000", "10:00:01.000", "10:00:10.900"] {
            assert_eq!(found(&format!("2026-03-01T{start}Z")), None, "{start}");
        }
    }

    #[test]
    fn a_clock_that_is_behind_or_ahead_is_told_with_both_times() {
        let behind = found("2026-03-01T09:55:07.000Z").unwrap();
        assert!(behind.contains("299 s behind"), "{behind}");
        assert!(behind.contains("2026-03-01T09:55:10Z"), "{behind}");
        let ahead = found("2026-03-01T10:05:10.000Z").unwrap();
        assert!(ahead.contains("300 s ahead"), "{ahead}");
    }

    #[test]
    fn a_line_without_times_tells_nothing() {
        let reader = Reader::new(&BuiltIn::Text.format_string()).unwrap();
        let read = read_log(&reader, &["no line of that format".to_owned()]);
        assert!(read.map_or(true, |read| read.lines.is_empty()));
        let mut line = line("2026-03-01T09:55:07.000Z");
        line.duration = meshproof_evidence::Logged::default();
        assert_eq!(foreign(&line, at("2026-03-01T10:00:10Z"), FLUSH), None);
    }

    #[test]
    fn a_clock_that_is_set_back_is_told() {
        let then = at("2026-03-01T10:00:00Z");
        let now = |text: &str| set_back(then, at(text), Duration::from_secs(4));
        assert_eq!(now("2026-03-01T10:00:04Z"), None);
        // Set ahead, lines of the case are later still.
        assert_eq!(now("2026-03-01T11:00:04Z"), None);
        let told = now("2026-03-01T09:59:04Z").unwrap();
        assert!(told.contains("set back by 60 s"), "{told}");
    }
}
