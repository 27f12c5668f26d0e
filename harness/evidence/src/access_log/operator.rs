//! One `%OPERATOR(argument):length%` of a format string.

use super::time::TimeFormat;

/// A command operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// `UPSTREAM_HOST`, `REQ`, ...
    pub name: String,
    /// What stands in parentheses, as written: `X-ENVOY-ORIGINAL-PATH?:PATH`.
    pub argument: Option<String>,
    /// Envoy cuts longer values at this many characters.
    pub length: Option<usize>,
    pub(super) shape: Shape,
    /// How it prints a time that can be read to the millisecond.
    pub(super) time: Option<TimeFormat>,
    key: String,
}

/// What values an operator can have, where that is known. Narrow shapes keep a line from being
/// cut at the wrong separator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Digits, or `-`.
    Number,
    /// Upper-case letters and digits with commas, or `-`.
    Flags,
    /// No white space.
    Word,
    /// No white space outside brackets: old Envoys had spaces in `{connection failure}`.
    Details,
    /// Anything.
    Text,
}

impl Operator {
    pub(super) fn new(name: &str, argument: Option<&str>, length: Option<usize>) -> Self {
        let key =
            argument.map_or_else(|| name.to_owned(), |argument| format!("{name}({argument})"));
        Self {
            name: name.to_owned(),
            argument: argument.map(str::to_owned),
            length,
            shape: Shape::of(name),
            time: TimeFormat::of(name, argument),
            key,
        }
    }

    /// Whether its values are numbers.
    pub fn is_number(&self) -> bool {
        self.shape == Shape::Number
    }

    /// The operator without `%` and length: `UPSTREAM_HOST`, `REQ(:METHOD)`.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Shape {
    /// Shapes after Envoy's formatters. `CONNECTION_TERMINATION_DETAILS` and the failure reasons had
    /// white space in old releases, where new ones have underscores.
    fn of(name: &str) -> Self {
        match name {
            "RESPONSE_CODE"
            | "BYTES_RECEIVED"
            | "BYTES_SENT"
            | "DURATION"
            | "UPSTREAM_WIRE_BYTES_RECEIVED"
            | "UPSTREAM_WIRE_BYTES_SENT"
            | "DOWNSTREAM_WIRE_BYTES_RECEIVED"
            | "DOWNSTREAM_WIRE_BYTES_SENT"
            | "CONNECTION_ID"
            | "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Self::Number,
            "RESPONSE_FLAGS" => Self::Flags,
            "UPSTREAM_HOST"
            | "UPSTREAM_CLUSTER"
            | "UPSTREAM_CLUSTER_RAW"
            | "UPSTREAM_LOCAL_ADDRESS"
            | "UPSTREAM_REMOTE_ADDRESS"
            | "DOWNSTREAM_LOCAL_ADDRESS"
            | "DOWNSTREAM_REMOTE_ADDRESS"
            | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS"
            | "REQUESTED_SERVER_NAME"
            | "DOWNSTREAM_TLS_VERSION"
            | "UPSTREAM_TLS_VERSION"
            | "RESPONSE_FLAGS_LONG"
            | "ROUTE_NAME" => Self::Word,
            "RESPONSE_CODE_DETAILS" => Self::Details,
            _ => Self::Text,
        }
    }

    pub(super) fn fits(self, value: &[u8]) -> bool {
        match self {
            Self::Number => {
                value == b"-" || (!value.is_empty() && value.iter().all(u8::is_ascii_digit))
            }
            Self::Flags => {
                let flag = |b: &u8| {
                    b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b',' || *b == b'_'
                };
                value == b"-" || (!value.is_empty() && value.iter().all(flag))
            }
            // A separator that begins with a space ends the value before its first space, so this
            // looks at bytes only where the separator is another one.
            Self::Word => memchr::memchr(b' ', value).is_none(),
            Self::Details => spaces_in_brackets_only(value),
            Self::Text => true,
        }
    }

    /// Whether a value that does not fit may fit when it is longer.
    pub(super) fn may_grow(self) -> bool {
        matches!(self, Self::Text | Self::Details)
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Number => "a number or `-`",
            Self::Flags => "response flags or `-`",
            Self::Word => "a value without spaces",
            Self::Details => "a value without spaces outside brackets",
            Self::Text => "a value",
        }
    }
}

/// Whether every bracket is closed, and white space stands between brackets only.
fn spaces_in_brackets_only(value: &[u8]) -> bool {
    let mut depth = 0usize;
    for byte in value {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b' ' if depth == 0 => return false,
            _ => {}
        }
    }
    depth == 0
}
