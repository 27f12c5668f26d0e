//! The end of a run: reports, table, exit code.

use std::fmt::Write as _;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use meshproof_record::{Problem, RunRecord};
use meshproof_reports::{Conclusion, TableOptions, table, write_run};

use super::journal::Journal;
use super::step_summary;
use crate::args::RunArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::show;

/// Writes the reports and prints the table, whatever became of the run.
pub(crate) fn report(
    args: &RunArgs,
    journal: &Journal,
    done: Result<(), Failure>,
) -> Result<Exit, Failure> {
    if let Err(failure) = &done {
        journal.problem(during(failure.exit), &failure.message);
    }
    let record = journal.end();
    let written = write_run(&args.out, &record);
    let folder = written
        .as_ref()
        .ok()
        .map(|written| written.folder.as_path());
    let summarised = step_summary::append(&record);
    let captured = folder.map_or(Ok(()), |folder| captures(folder, journal));
    let mut text = table(
        &record,
        TableOptions {
            colour: show::colour_on_stdout(),
            folder,
        },
    );
    if args.profile {
        text.push_str(&profile(&record));
    }
    // Without any scenario the error below says it all, with the text of the file that it is about.
    let begun = !record.scenarios.is_empty();
    let printed = if begun { show::out(&text) } else { Ok(()) };
    match done {
        // What kept the run from its work outweighs that it could not be told.
        Err(failure) if begun => return Ok(failure.exit),
        Err(failure) => return Err(failure),
        Ok(()) => {}
    }
    written.map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))?;
    captured?;
    summarised?;
    printed.map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))?;
    Ok(verdict(&record))
}

/// Writes what passed the link, one file for each case, readable by the user alone: what is in clear on
/// the link stands in it in clear.
fn captures(folder: &Path, journal: &Journal) -> Result<(), Failure> {
    let captures = journal.captures();
    if captures.is_empty() {
        return Ok(());
    }
    let folder = folder.join("captures");
    let write = || -> std::io::Result<()> {
        DirBuilder::new().mode(0o700).create(&folder)?;
        for (name, packets) in &captures {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600);
            options
                .open(folder.join(format!("{name}.pcapng")))?
                .write_all(packets)?;
        }
        Ok(())
    };
    write().map_err(|error| {
        let message = format!("writing captures to {}: {error}", folder.display());
        Failure::new(Exit::EnvironmentFailed, message)
    })
}

/// Steps of a set-up that fail by what was given: manifests, patches, and names in them.
const GIVEN: [&str; 4] = [
    "read manifests",
    "apply",
    "patch services",
    "resolve bindings",
];

/// What was being done, as the record tells it.
fn during(exit: Exit) -> &'static str {
    match exit {
        Exit::BadInput => "reading the input",
        Exit::ToolchainMissing => "finding the toolchain",
        Exit::NamespacesRefused => "making namespaces",
        Exit::Interrupted | Exit::Terminated => "interrupted",
        Exit::Internal => "internal",
        Exit::EnvironmentFailed
        | Exit::Pass
        | Exit::Fail
        | Exit::Inconclusive
        | Exit::UnreadableRecord => "running",
    }
}

/// The exit code of a run, by its record.
pub(crate) fn verdict(record: &RunRecord) -> Exit {
    let given = |problem: &Problem| GIVEN.contains(&problem.during.as_str());
    match Conclusion::of(record) {
        Conclusion::NotFinished if record.problems.first().is_some_and(given) => Exit::BadInput,
        Conclusion::NotFinished => Exit::EnvironmentFailed,
        Conclusion::Fail => Exit::Fail,
        Conclusion::Inconclusive => Exit::Inconclusive,
        Conclusion::Pass => Exit::Pass,
    }
}

/// Where the time went, in the order in which things began, and what cases waited for, by kind.
fn profile(record: &RunRecord) -> String {
    let mut phases: Vec<_> = record.phases.iter().collect();
    phases.sort_by(|a, b| a.start_ms.total_cmp(&b.start_ms));
    let mut text = String::from("\n    from ms    took ms  what\n");
    for phase in phases {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:>11.1}{:>11.1}  {}",
            phase.start_ms, phase.duration_ms, phase.name
        );
    }
    if !record.waits.is_empty() {
        text.push_str("\n   times   all ms  longest ms  waited for\n");
    }
    for wait in &record.waits {
        let _ = writeln!(
            text,
            "{:>8}{:>9.0}{:>12.1}  {}",
            wait.times, wait.total_ms, wait.longest_ms, wait.what
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_proved_nothing_is_not_a_pass() {
        let mut record = Journal::begin("embedded").end();
        assert_eq!(verdict(&record), Exit::Inconclusive);
        record.problems.push(Problem {
            during: "x".into(),
            message: "y".into(),
        });
        assert_eq!(verdict(&record), Exit::EnvironmentFailed);
    }
}
