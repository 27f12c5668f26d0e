//! An error on its way to the user: what to print, and the exit code that goes with it.

use std::error::Error;
use std::fmt;

use crate::exit::Exit;
use crate::show;

/// Why a command did not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the command ends.
    pub(crate) exit: Exit,
    /// What is printed; may have several lines (a file's text with a mark below).
    pub(crate) message: String,
}

impl Failure {
    /// A failure told by a text of our own.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// A failure told by an error and everything that caused it, in one line.
    pub(crate) fn of(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        Self {
            exit,
            message: chain(error),
        }
    }

    /// Prints it to standard error.
    pub(crate) fn report(&self) -> Exit {
        if self.message.starts_with("error: ") {
            // Several errors of files, each with its own label and snippet.
            show::note(self.message.trim_end());
        } else {
            show::error(&self.message);
        }
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// An error and its causes, joined by colons. A cause that its parent already told is left out.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Told {
        #[error("reading the file")]
        Plain(#[source] std::io::Error),
        #[error("reading the file: {0}")]
        Already(#[source] std::io::Error),
    }

    #[test]
    fn causes_are_told_once() {
        let io = || std::io::Error::other("no such thing");
        assert_eq!(chain(&Told::Plain(io())), "reading the file: no such thing");
        assert_eq!(
            chain(&Told::Already(io())),
            "reading the file: no such thing"
        );
    }
}
