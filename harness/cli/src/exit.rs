//! What the command's exit codes mean. The README has the same table, and a test compares them.

use std::fmt::Write;
use std::process::ExitCode;

/// How the command ended. The codes are a promise to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything asked for was done; of a run: every case passed or was skipped, at least one passed.
    Pass = 0,
    /// At least one case is not conformant.
    Fail = 1,
    /// No case failed, but at least one could not be established.
    Inconclusive = 2,
    /// Arguments, a scenario, a manifest or another file given are wrong.
    BadInput = 3,
    /// A program that the clusters run is missing, of another version, or does not start.
    ToolchainMissing = 4,
    /// The machine refuses the namespaces that the embedded clusters are made of.
    NamespacesRefused = 5,
    /// The clusters, the file system or another part of the surroundings failed.
    EnvironmentFailed = 6,
    /// A fault in meshproof itself.
    Internal = 7,
    /// A run record cannot be read: it was cut off, damaged, or written by another version.
    UnreadableRecord = 8,
    /// Ended by SIGINT (Ctrl-C).
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// Every code, in order.
    pub(crate) const ALL: [Self; 11] = [
        Self::Pass,
        Self::Fail,
        Self::Inconclusive,
        Self::BadInput,
        Self::ToolchainMissing,
        Self::NamespacesRefused,
        Self::EnvironmentFailed,
        Self::Internal,
        Self::UnreadableRecord,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// What the table says of it.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Pass => "every case passed (or was skipped for a stated reason)",
            Self::Fail => "at least one case is not conformant",
            Self::Inconclusive => "no case failed, but at least one could not be established",
            Self::BadInput => "arguments, a scenario, a manifest or another given file are wrong",
            Self::ToolchainMissing => {
                "Envoy, MariaDB/MySQL or nft is missing, unfit, or cannot be fetched"
            }
            Self::NamespacesRefused => "this machine refuses user, network or mount namespaces",
            Self::EnvironmentFailed => {
                "the clusters, the file system or another part of the surroundings failed"
            }
            Self::Internal => "a fault in meshproof itself",
            Self::UnreadableRecord => {
                "a run record is cut off, damaged, or of a version that is not read"
            }
            Self::Interrupted => "interrupted by SIGINT (Ctrl-C)",
            Self::Terminated => "terminated by SIGTERM",
        }
    }

    /// The table for `--help`.
    pub(crate) fn help() -> String {
        let mut text = String::from("Exit codes:\n");
        for exit in Self::ALL {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:>5}  {}", exit.code(), exit.meaning());
        }
        text
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_the_same_table() {
        let readme = include_str!("../../../README.md");
        let section = readme
            .split("## Exit codes")
            .nth(1)
            .expect("a section on exit codes");
        let section = section.split("\n## ").next().unwrap();
        let rows: Vec<&str> = section
            .lines()
            .filter(|line| line.starts_with("| "))
            .skip(2)
            .collect();
        let wanted: Vec<String> = Exit::ALL
            .iter()
            .map(|exit| format!("| {} | {} |", exit.code(), exit.meaning()))
            .collect();
        assert_eq!(rows, wanted);
    }

    #[test]
    fn no_two_ends_share_a_code() {
        let mut codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        codes.dedup();
        assert_eq!(codes.len(), Exit::ALL.len());
        assert!(codes.is_sorted());
    }
}
