//! `meshproof list`: the names of cases, for people and for test runners.

use crate::args::FilesArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{scenarios, show};

/// Prints `scenario::case`, one a line, in the order of the files.
pub(crate) fn command(args: &FilesArgs) -> Result<Exit, Failure> {
    let loaded = scenarios::read(&args.paths)?;
    let name = |case: &str, of: &str| format!("{of}::{case}\n");
    let lines = loaded.iter().flat_map(|loaded| {
        let scenario = &loaded.scenario;
        scenario
            .cases
            .iter()
            .map(|case| name(&case.name, &scenario.metadata.name))
    });
    let text: String = lines.collect();
    show::out(&text).map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))?;
    Ok(Exit::Pass)
}
