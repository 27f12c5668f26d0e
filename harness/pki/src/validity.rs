//! From when until when a certificate is valid.

use std::time::{Duration, SystemTime};

use rcgen::CertificateParams;

use crate::PkiError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// From when until when a certificate is valid, in relation to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// How long ago it began: clocks of two machines differ.
    pub since: Duration,
    /// How long it goes on.
    pub until: Duration,
}

impl Validity {
    /// Of authorities: a year. Clusters that are kept outlive a run.
    pub const AUTHORITY: Self = Self {
        since: Duration::from_secs(10 * 60),
        until: Duration::from_secs(365 * DAY.as_secs()),
    };
    /// Of leaves: thirty days.
    pub const LEAF: Self = Self {
        since: Duration::from_secs(10 * 60),
        until: Duration::from_secs(30 * DAY.as_secs()),
    };

    /// Writes both ends into the parameters of a certificate.
    pub(crate) fn apply(self, params: &mut CertificateParams) -> Result<(), PkiError> {
        let now = SystemTime::now();
        // Years beyond 9999 cannot be encoded, and cannot be converted either.
        let end = now
            .checked_add(self.until)
            .filter(|end| *end < SystemTime::UNIX_EPOCH + 2_900_000 * DAY);
        let start = now
            .checked_sub(self.since)
            .filter(|start| *start > SystemTime::UNIX_EPOCH);
        params.not_before = start.ok_or(PkiError::Clock)?.into();
        params.not_after = end.ok_or(PkiError::Clock)?.into();
        Ok(())
    }
}
