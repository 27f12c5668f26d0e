//! How well two lines of neighbouring hops fit together.

use jiff::Timestamp;
use meshproof_record::Hop;

use crate::access_log::{Address, HopLine, Logged};
use crate::classify::name;

/// Clocks of two nodes may differ by this much, in milliseconds.
pub(super) const CLOCK_SKEW_MS: i64 = 2_000;

/// Rounding of start and duration, in milliseconds.
const ROUNDING_MS: i64 = 5;

/// A sender's and a receiver's line.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) from: (Hop, &'a HopLine),
    pub(super) to: (Hop, &'a HopLine),
}

/// What speaks for a pair that has no address in common. Larger is better.
// Four facts of their own, compared in this order.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Likeness {
    pub(super) bytes: bool,
    pub(super) sni: bool,
    pub(super) port: bool,
    /// Within the sender's life, by equal clocks.
    pub(super) window: bool,
}

impl Pair<'_> {
    /// What makes the pair impossible.
    pub(super) fn contradictions(&self) -> Vec<String> {
        self.bytes_law()
            .into_iter()
            .chain(self.apart(CLOCK_SKEW_MS))
            .collect()
    }

    pub(super) fn likeness(&self) -> Likeness {
        let (from, to) = (self.from.1, self.to.1);
        let both = |a: Option<u64>, b: Option<u64>| a.is_some() && a == b;
        Likeness {
            bytes: both(
                from.bytes_received.value().copied(),
                to.bytes_received.value().copied(),
            ) && both(
                from.bytes_sent.value().copied(),
                to.bytes_sent.value().copied(),
            ),
            sni: from.sni.text().is_some() && from.sni == to.sni,
            port: dialled_port(from).is_some()
                && dialled_port(from) == to.downstream_local.value().and_then(Address::port),
            window: self.apart(ROUNDING_MS).is_none(),
        }
    }

    /// The receiver's start after the sender's.
    pub(super) fn offset_ms(&self) -> Option<i64> {
        let (from, to) = (self.from.1.start.value()?, self.to.1.start.value()?);
        Some(millis(to) - millis(from))
    }

    /// A hop passes on no more than it got: the receiver cannot have received more than the
    /// sender, nor the sender have sent more than the receiver. Where the receiver counts TLS
    /// records that it does not open, or the sender's handshake failed, the counts are of
    /// different things.
    fn bytes_law(&self) -> Option<String> {
        let (from, to) = (self.from.1, self.to.1);
        let unopened = to.tls_version.is_absent()
            && (to.sni.value().is_some() || from.upstream_tls_version.value().is_some());
        if from.has_flag("UF") || unopened {
            return None;
        }
        let more = |a: &Logged<u64>, b: &Logged<u64>| {
            Some((*a.value()?, *b.value()?)).filter(|(a, b)| a > b)
        };
        let (sender, receiver) = (name(self.from.0), name(self.to.0));
        if let Some((got, had)) = more(&to.bytes_received, &from.bytes_received) {
            return Some(format!(
                "{receiver} received {got} bytes, {sender} had only {had} to pass on"
            ));
        }
        let (sent, had) = more(&from.bytes_sent, &to.bytes_sent)?;
        Some(format!(
            "{sender} sent {sent} bytes back, {receiver} had only given it {had}"
        ))
    }

    /// Set when the receiver's start is outside the sender's life by more than `slack_ms`.
    fn apart(&self, slack_ms: i64) -> Option<String> {
        let (from, to) = (self.from.1, self.to.1);
        let (start, end, at) = (
            millis(from.start.value()?),
            millis(&from.end()?),
            millis(to.start.value()?),
        );
        let distance = if at < start {
            at - start
        } else {
            (at - end).max(0)
        };
        (distance.abs() > slack_ms).then(|| {
            let when = if distance < 0 {
                "before the connection at"
            } else {
                "after the end of that at"
            };
            format!(
                "it started {} ms {when} {}",
                distance.abs(),
                name(self.from.0)
            )
        })
    }

    /// Soft differences, for reports.
    pub(super) fn differences(&self) -> Vec<String> {
        let (from, to) = (self.from.1, self.to.1);
        let mut differences = self.contradictions();
        if from.upstream_local.value().is_some() && from.upstream_local != to.downstream_remote {
            differences.push(format!(
                "downstream remote address {}",
                shown(&to.downstream_remote)
            ));
        }
        differences
    }

    /// Distance of the starts, for choosing the nearest of lines that do not fit.
    pub(super) fn distance_ms(&self) -> i64 {
        self.offset_ms().map_or(i64::MAX, i64::abs)
    }
}

pub(super) fn dialled_port(line: &HopLine) -> Option<u16> {
    line.upstream_host.value()?.port()
}

pub(super) fn shown<T: ToString>(logged: &Logged<T>) -> String {
    match logged {
        Logged::Value(value) => value.to_string(),
        Logged::Absent => "-".to_owned(),
        Logged::NotInFormat => "not in the format".to_owned(),
    }
}

fn millis(time: &Timestamp) -> i64 {
    time.as_millisecond()
}
