//! What to do after an answer, or after none. Pure.

use std::time::Duration;

use super::Manners;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With a status, and the seconds of `Retry-After` where the server gave some.
    Status(u16, Option<Duration>),
    /// The connection could not be made: nothing was sent.
    NotSent,
    /// The connection broke, or nobody answered in time: whether it was executed is not known.
    Lost,
    /// Something that another attempt does not mend.
    Failed,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The caller gets what there is.
    Give,
    /// New credentials, then once more.
    Renew,
    /// Once more, not before this time.
    Again(Duration),
}

/// What is known of a request and its attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    /// Sending it twice does what sending it once does.
    pub(super) idempotent: bool,
    /// How often it was sent, at least 1.
    pub(super) attempts: u32,
    /// The credentials can be renewed and were not yet for this request.
    pub(super) renewable: bool,
}

impl Course {
    /// `jitter` from 0 to 1.
    pub(super) fn next(self, ending: Ending, manners: &Manners, jitter: f64) -> Next {
        let may = match ending {
            // Nobody was let in: nothing was executed.
            Ending::Status(401, _) if self.renewable => return Next::Renew,
            // The server says that it did nothing and when to come back; without a time it is any 5xx.
            Ending::Status(429, Some(_)) | Ending::NotSent => true,
            Ending::Status(429 | 500 | 502 | 503 | 504, _) | Ending::Lost => self.idempotent,
            Ending::Status(..) | Ending::Failed => false,
        };
        if !may || self.attempts >= manners.attempts {
            return Next::Give;
        }
        match ending {
            Ending::Status(_, Some(asked)) if asked > manners.longest_retry_after => Next::Give,
            // Not before, and not all at once after.
            Ending::Status(_, Some(asked)) => {
                Next::Again(asked + manners.first_wait.mul_f64(jitter))
            }
            _ => Next::Again(self.backoff(manners, jitter)),
        }
    }

    /// Doubles with each attempt up to a bound; its second half is chance.
    fn backoff(self, manners: &Manners, jitter: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(self.attempts.saturating_sub(1).min(16));
        let whole = manners.first_wait.saturating_mul(doubled);
        whole.min(manners.longest_wait).mul_f64(0.5 + 0.5 * jitter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn course(idempotent: bool) -> Course {
        Course {
            idempotent,
            attempts: 1,
            renewable: false,
        }
    }

    fn next(idempotent: bool, ending: Ending) -> Next {
        course(idempotent).next(ending, &Manners::default(), 0.5)
    }

    #[test]
    fn what_may_have_been_executed_is_not_sent_again() {
        for code in [429, 500, 502, 503, 504] {
            let ending = Ending::Status(code, None);
            assert_eq!(next(false, ending), Next::Give, "{code}");
            assert!(matches!(next(true, ending), Next::Again(_)), "{code}");
        }
        assert_eq!(next(false, Ending::Lost), Next::Give);
        assert!(matches!(next(true, Ending::Lost), Next::Again(_)));
    }

    #[test]
    fn what_was_not_executed_is_sent_again() {
        let asked = Duration::from_secs(2);
        let Next::Again(wait) = next(false, Ending::Status(429, Some(asked))) else {
            panic!("a server that asks to come back is come back to");
        };
        assert!(wait >= asked, "{wait:?}");
        assert!(matches!(next(false, Ending::NotSent), Next::Again(_)));
    }

    #[test]
    fn a_5xx_with_a_time_is_still_a_5xx() {
        let ending = Ending::Status(503, Some(Duration::from_secs(1)));
        assert_eq!(next(false, ending), Next::Give);
    }

    #[test]
    fn nobody_waits_for_an_hour() {
        let ending = Ending::Status(429, Some(Duration::from_secs(3600)));
        assert_eq!(next(true, ending), Next::Give);
    }

    #[test]
    fn credentials_are_renewed_once() {
        let mut course = course(false);
        course.renewable = true;
        let refused = Ending::Status(401, None);
        assert_eq!(course.next(refused, &Manners::default(), 0.0), Next::Renew);
        course.renewable = false;
        assert_eq!(course.next(refused, &Manners::default(), 0.0), Next::Give);
    }

    proptest! {
        #[test]
        fn answers_are_given(code in 200_u16..400, idempotent: bool) {
            prop_assert_eq!(next(idempotent, Ending::Status(code, None)), Next::Give);
        }

        #[test]
        fn waits_and_attempts_have_bounds(attempts in 1_u32..100, jitter in 0.0_f64..1.0) {
            let manners = Manners::default();
            let course = Course { idempotent: true, attempts, renewable: false };
            match course.next(Ending::Lost, &manners, jitter) {
                Next::Again(wait) => {
                    prop_assert!(attempts < manners.attempts);
                    prop_assert!(wait <= manners.longest_wait);
                    prop_assert!(wait >= manners.first_wait / 2);
                }
                next => prop_assert!(attempts >= manners.attempts && next == Next::Give),
            }
        }
    }
}
