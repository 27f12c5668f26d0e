//! How a client program ended, as a fact that can be judged.

use crate::error::{ClientError, find_error};
use crate::phase::Phase;

/// `ECONNREFUSED` on Linux, and `EINPROGRESS`: MariaDB's client (seen with 10.11) connects without
/// blocking and prints that number when the answer was a refusal. Silence gives `ETIMEDOUT` there too.
const REFUSED: [i32; 2] = [111, 115];
/// `ETIMEDOUT`, `EHOSTUNREACH`, `ENETUNREACH` on Linux.
const NO_ANSWER: [i32; 3] = [110, 113, 101];

/// How a client program ended. The numbers that the client prints are no causes: the same 2013 with
/// errno 11 stands for every refusal by a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEnd {
    /// Everything ran.
    Connected,
    /// The session stood; a statement failed.
    StatementFailed(ClientError),
    /// The session stood and was lost (`during query`, `gone away`).
    LostInSession(ClientError),
    /// The name did not resolve.
    NameUnknown(ClientError),
    /// TCP got no answer, or the network said that there is no way.
    NoAnswer(ClientError),
    /// TCP was refused: nothing listens.
    Refused(ClientError),
    /// TCP stood, no greeting came: reset, closed or silent (see `errno`: 110 is silence).
    NoGreeting(ClientError),
    /// The greeting came, then the connection was closed. An authorization policy acts so.
    LostAfterGreeting(ClientError),
    /// The server refused user or password.
    AuthDenied(ClientError),
    /// The server refused the client's host: blocked after errors (1129), or not allowed (1130).
    HostDenied(ClientError),
    /// The server has no such database.
    UnknownDatabase(ClientError),
    /// The client's own TLS failed.
    TlsFailed(ClientError),
    /// Another error before the session stood.
    Failed(ClientError),
    /// The program was stopped before it ended.
    Stopped,
    /// It failed and no error line of a known client was found.
    Unreadable {
        /// The exit code.
        exit: i32,
        /// The last line of standard error that says anything.
        last_line: String,
    },
}

impl ClientEnd {
    /// The error line, where there is one.
    pub fn error(&self) -> Option<&ClientError> {
        match self {
            Self::Connected | Self::Stopped | Self::Unreadable { .. } => None,
            Self::StatementFailed(error)
            | Self::LostInSession(error)
            | Self::NameUnknown(error)
            | Self::NoAnswer(error)
            | Self::Refused(error)
            | Self::NoGreeting(error)
            | Self::LostAfterGreeting(error)
            | Self::AuthDenied(error)
            | Self::HostDenied(error)
            | Self::UnknownDatabase(error)
            | Self::TlsFailed(error)
            | Self::Failed(error) => Some(error),
        }
    }

    /// Whether the server's greeting reached the client (or, for a host that the server denies, the
    /// refusal that it sends in place of one); `None` where that is not known.
    pub fn greeted(&self) -> Option<bool> {
        match self {
            Self::NameUnknown(_) | Self::NoAnswer(_) | Self::Refused(_) | Self::NoGreeting(_) => {
                Some(false)
            }
            Self::Failed(error) if error.number < 2000 => Some(true),
            Self::Failed(error) => error.phase.as_ref().and_then(Phase::greeted),
            Self::Stopped | Self::Unreadable { .. } => None,
            _ => Some(true),
        }
    }
}

/// From exit code (`None`: stopped by somebody) and standard error.
pub fn client_end(exit: Option<i32>, stderr: &str) -> ClientEnd {
    match (exit, find_error(stderr)) {
        (_, Some(error)) => of_error(error),
        (None, None) => ClientEnd::Stopped,
        (Some(0), None) => ClientEnd::Connected,
        (Some(exit), None) => ClientEnd::Unreadable {
            exit,
            last_line: last_line(stderr),
        },
    }
}

fn of_error(error: ClientError) -> ClientEnd {
    match (error.number, &error.phase) {
        (2013 | 2006, Some(Phase::Query)) => ClientEnd::LostInSession(error),
        _ if error.statement_line.is_some() => ClientEnd::StatementFailed(error),
        (2013, Some(Phase::Greeting)) => ClientEnd::NoGreeting(error),
        (2013, Some(phase)) if phase.greeted() == Some(true) => ClientEnd::LostAfterGreeting(error),
        (2002 | 2003, _) => not_reached(error),
        (2005, _) => ClientEnd::NameUnknown(error),
        (2026, _) => ClientEnd::TlsFailed(error),
        (1044 | 1045 | 1698, _) => ClientEnd::AuthDenied(error),
        (1129 | 1130, _) => ClientEnd::HostDenied(error),
        (1049, _) => ClientEnd::UnknownDatabase(error),
        _ => ClientEnd::Failed(error),
    }
}

fn not_reached(error: ClientError) -> ClientEnd {
    match error.errno {
        Some(errno) if REFUSED.contains(&errno) => ClientEnd::Refused(error),
        Some(errno) if NO_ANSWER.contains(&errno) => ClientEnd::NoAnswer(error),
        _ => ClientEnd::Failed(error),
    }
}

fn last_line(stderr: &str) -> String {
    let line = stderr.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or_default().trim().to_owned()
}
