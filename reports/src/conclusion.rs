//! What a whole run comes to.

use meshproof_record::RunRecord;

use crate::totals::Totals;

/// What a whole run comes to: the gravest of what its cases came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Every case passed or was skipped, and at least one passed.
    Pass,
    /// At least one case is not conformant.
    Fail,
    /// No case failed, but at least one could not be established, or nothing passed.
    Inconclusive,
    /// Something kept the run from its end: nothing is concluded from the cases that it did run.
    NotFinished,
}

impl Conclusion {
    /// Concludes from the verdicts and the problems of a record.
    pub fn of(record: &RunRecord) -> Self {
        let totals = Totals::of(record);
        if !record.problems.is_empty() {
            Self::NotFinished
        } else if totals.failed > 0 {
            Self::Fail
        } else if totals.inconclusive > 0 || totals.passed == 0 {
            // A run in which nothing passed has proven nothing, whatever was skipped.
            Self::Inconclusive
        } else {
            Self::Pass
        }
    }

    /// One word for styles and scripts.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::NotFinished => "not-finished",
        }
    }

    /// The headline of a report.
    pub(crate) fn headline(self) -> &'static str {
        match self {
            Self::Pass => "conformant",
            Self::Fail => "not conformant",
            Self::Inconclusive => "inconclusive",
            Self::NotFinished => "not finished",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{failed, inconclusive, interrupted, positive, run, skipped};

    #[test]
    fn the_gravest_counts() {
        let of = |cases| Conclusion::of(&run(cases));
        assert_eq!(of(vec![positive(), skipped()]), Conclusion::Pass);
        assert_eq!(
            of(vec![positive(), inconclusive()]),
            Conclusion::Inconclusive
        );
        assert_eq!(of(vec![failed(), inconclusive()]), Conclusion::Fail);
        assert_eq!(Conclusion::of(&interrupted()), Conclusion::NotFinished);
    }

    #[test]
    fn nothing_that_passed_is_no_pass() {
        assert_eq!(Conclusion::of(&run(vec![])), Conclusion::Inconclusive);
        assert_eq!(
            Conclusion::of(&run(vec![skipped()])),
            Conclusion::Inconclusive
        );
    }
}
