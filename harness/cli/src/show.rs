//! What goes to the terminal, and how it is dressed.

pub(crate) mod live;
pub(crate) mod snippet;

use std::io::{self, IsTerminal, Write};

/// True where standard output takes colours: a terminal, and `NO_COLOR` unset or empty
/// (<https://no-color.org>).
pub(crate) fn colour_on_stdout() -> bool {
    io::stdout().is_terminal() && colour_wanted()
}

/// True where standard error takes lines that redraw themselves: a terminal that is not CI's.
pub(crate) fn live_on_stderr() -> bool {
    io::stderr().is_terminal()
        && !set("CI")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

pub(crate) fn colour_wanted() -> bool {
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Set, and to more than nothing or `false`.
fn set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "false")
}

/// Prints an error to standard error.
pub(crate) fn error(message: &str) {
    let label = if io::stderr().is_terminal() && colour_wanted() {
        "\u{1b}[31;1merror\u{1b}[0m"
    } else {
        "error"
    };
    note(&format!(
        "{label}: {}",
        meshproof_reports::printable(message)
    ));
}

/// Prints a line to standard error.
pub(crate) fn note(line: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints text to standard output. A closed pipe (`meshproof list | head -1`) is no error.
pub(crate) fn out(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
