//! A value as a log line has it, or the reason why it has none.

/// One operator's value in one line.
///
/// A line that says `-` and a format without the operator are different facts: the first is
/// evidence of absence, the second is no evidence at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Logged<T> {
    /// The format does not have the operator, so the line tells nothing.
    #[default]
    NotInFormat,
    /// The proxy had no value: `-` in TEXT, `null` in JSON.
    Absent,
    /// The value.
    Value(T),
}

impl<T> Logged<T> {
    /// The value, if one was logged.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::NotInFormat | Self::Absent => None,
        }
    }

    /// Whether the format has the operator at all.
    pub fn in_format(&self) -> bool {
        !matches!(self, Self::NotInFormat)
    }

    /// Whether the proxy stated that it had no value.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Converts the value.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Logged<U> {
        match self {
            Self::NotInFormat => Logged::NotInFormat,
            Self::Absent => Logged::Absent,
            Self::Value(value) => Logged::Value(convert(value)),
        }
    }

    /// Converts the value with something that can fail.
    pub fn try_map<U, E>(self, convert: impl FnOnce(T) -> Result<U, E>) -> Result<Logged<U>, E> {
        Ok(match self {
            Self::NotInFormat => Logged::NotInFormat,
            Self::Absent => Logged::Absent,
            Self::Value(value) => Logged::Value(convert(value)?),
        })
    }

    /// This, or `other` where the format lacks the operator.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::NotInFormat => other,
            found => found,
        }
    }
}

impl Logged<String> {
    /// The value as text, if one was logged.
    pub fn text(&self) -> Option<&str> {
        self.value().map(String::as_str)
    }
}
