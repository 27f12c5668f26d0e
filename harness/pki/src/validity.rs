//! From when until when a certificate is valid.

use std::time::{Duration, SystemTime};

use rcgen::CertificateParams;

use crate::PkiError;

const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;
/// Years beyond 9999 cannot be encoded, and cannot be converted either.
const LAST: Duration = Duration::from_secs(2_900_000 * 24 * 60 * 60);

/// From when until when a certificate is valid, in seconds from now; what has passed is negative.
///
/// Clocks of two machines differ. Good certificates are good for a machine up to ten minutes behind.
/// Bad ones are bad by a whole day: more than a clock that is set to local time can be off, and longer
/// than a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// When it begins.
    pub from: i64,
    /// When it ends.
    pub until: i64,
}

impl Validity {
    /// Of authorities: a year. Clusters that are kept outlive a run.
    pub const AUTHORITY: Self = Self {
        from: -10 * MINUTE,
        until: 365 * DAY,
    };
    /// Of leaves and revocation lists: thirty days.
    pub const LEAF: Self = Self {
        from: -10 * MINUTE,
        until: 30 * DAY,
    };
    /// Thirty days that ended a day ago.
    pub const EXPIRED: Self = Self {
        from: -31 * DAY,
        until: -DAY,
    };
    /// Thirty days that begin in a day.
    pub const NOT_YET: Self = Self {
        from: DAY,
        until: 31 * DAY,
    };

    /// Writes both ends into the parameters of a certificate.
    pub(crate) fn apply(self, params: &mut CertificateParams) -> Result<(), PkiError> {
        let (from, until) = self.ends()?;
        params.not_before = from.into();
        params.not_after = until.into();
        Ok(())
    }

    /// Both ends, as the clock has it now.
    pub(crate) fn ends(self) -> Result<(SystemTime, SystemTime), PkiError> {
        let now = SystemTime::now();
        let moment = |offset: i64| {
            let distance = Duration::from_secs(offset.unsigned_abs());
            let moment = if offset < 0 {
                now.checked_sub(distance)
            } else {
                now.checked_add(distance)
            };
            moment
                .filter(|moment| {
                    (SystemTime::UNIX_EPOCH..SystemTime::UNIX_EPOCH + LAST).contains(moment)
                })
                .ok_or(PkiError::Clock)
        };
        Ok((moment(self.from)?, moment(self.until)?))
    }
}
