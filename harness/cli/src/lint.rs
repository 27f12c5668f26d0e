//! `meshproof lint`: everything that can be known of a scenario without clusters.

use crate::args::FilesArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{scenarios, show};

/// Checks the files; says how many cases each declares.
pub(crate) fn command(args: &FilesArgs) -> Result<Exit, Failure> {
    let loaded = scenarios::read(&args.paths)?;
    let lines = loaded.iter().map(|loaded| {
        let cases = loaded.scenario.cases.len();
        let what = if cases == 1 { "case" } else { "cases" };
        format!("{}: ok, {cases} {what}\n", loaded.source.file)
    });
    let text: String = lines.collect();
    show::out(&text).map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))?;
    Ok(Exit::Pass)
}
