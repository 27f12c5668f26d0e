//! Declarations that cannot all take effect.

use std::fmt;

/// Two declarations that want the same thing, of which Istio honours one.
///
/// Istio resolves such conflicts without a word to who wrote them; this is the word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// What both want: a listener, a host, a subset.
    pub place: String,
    /// What takes effect.
    pub winner: String,
    /// What does not.
    pub loser: String,
    /// Why the one wins over the other.
    pub reason: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            winner,
            loser,
            reason,
        } = self;
        write!(f, "{place}: {loser} gives way to {winner}: {reason}")
    }
}

#[cfg(test)]
mod tests {
    use super::Conflict;

    #[test]
    fn one_sentence() {
        let conflict = Conflict {
            place: "listener 0.0.0.0:3306".into(),
            winner: "ServiceEntry default/a".into(),
            loser: "ServiceEntry default/b".into(),
            reason: "the older takes connections that both would take".into(),
        };
        assert_eq!(
            conflict.to_string(),
            "listener 0.0.0.0:3306: ServiceEntry default/b gives way to ServiceEntry default/a: \
             the older takes connections that both would take"
        );
    }
}
