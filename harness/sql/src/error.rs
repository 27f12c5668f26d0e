//! The client's `ERROR` line.

use crate::phase::Phase;

/// One error line, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientError {
    /// 2000 to 2999 are the client's own, the others the server's.
    pub number: u16,
    /// Five characters, `HY000`.
    pub sqlstate: String,
    /// The line of the statement, in batch mode: the session stood when it failed.
    pub statement_line: Option<u32>,
    /// What follows the colon, unchanged.
    pub message: String,
    /// The host that was addressed (or, for 1045 and 1130, the host that the server saw).
    pub host: Option<String>,
    /// The operating system's error, or `getaddrinfo`'s for 2005 (negative). 0 where the client says
    /// that there was none.
    pub errno: Option<i32>,
    /// When the connection was lost, for 2013 and 2006.
    pub phase: Option<Phase>,
}

/// The first error line in the client's standard error. Warnings, `kubectl`'s own lines and what a
/// terminal adds around it are passed over.
pub fn find_error(stderr: &str) -> Option<ClientError> {
    stderr.lines().find_map(|line| parse(line.trim()))
}

fn parse(line: &str) -> Option<ClientError> {
    let rest = line.strip_prefix("ERROR ")?;
    let (number, rest) = rest.split_once(" (")?;
    let (sqlstate, rest) = rest.split_once(')')?;
    if sqlstate.len() != 5 {
        return None;
    }
    let (statement_line, message) = match rest.strip_prefix(" at line ") {
        Some(rest) => {
            let (number, message) = rest.split_once(':')?;
            // `at line 3 in file: 'x.sql'` is how `source` says it.
            (Some(number.split(' ').next()?.parse().ok()?), message)
        }
        None => (None, rest.strip_prefix(':')?),
    };
    let number = number.parse().ok()?;
    let message = message.trim().to_owned();
    Some(ClientError {
        number,
        sqlstate: sqlstate.to_owned(),
        statement_line,
        host: host(number, &message),
        errno: errno(&message),
        phase: phase(number, &message),
        message,
    })
}

fn host(number: u16, message: &str) -> Option<String> {
    let quoted_after = |mark: &str| {
        let (_, rest) = message.split_once(mark)?;
        let (host, _) = rest.split_once('\'')?;
        Some(host.to_owned())
    };
    match number {
        // MySQL 8 adds the port: 'host:3306'.
        2002 | 2003 => quoted_after(" on '").or_else(|| quoted_after("through socket '")),
        2005 => quoted_after("host '"),
        1044 | 1045 | 1698 => quoted_after("'@'"),
        1129 | 1130 => quoted_after("Host '"),
        _ => None,
    }
}

/// `(110)`, `(111 "Connection refused")`, `system error: 11`, `system error: 0 "Internal error..."`.
fn errno(message: &str) -> Option<i32> {
    if let Some((_, rest)) = message.split_once("system error: ") {
        return leading_number(rest);
    }
    let (_, rest) = message.rsplit_once(" (")?;
    let inside = rest.strip_suffix(')')?;
    leading_number(inside).filter(|_| {
        inside
            .split(' ')
            .next()
            .is_some_and(|word| word.parse::<i32>().is_ok())
    })
}

fn leading_number(text: &str) -> Option<i32> {
    let is_part = |c: char| c.is_ascii_digit() || c == '-';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    text[..end].parse().ok()
}

fn phase(number: u16, message: &str) -> Option<Phase> {
    if number != 2013 && number != 2006 {
        return None;
    }
    if message.contains("during query") || message.contains("gone away") {
        return Some(Phase::Query);
    }
    let (_, rest) = message.split_once(" at '")?;
    let (words, _) = rest.split_once('\'')?;
    Some(Phase::from_words(words))
}
