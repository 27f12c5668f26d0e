//! `meshproof list`: the names of cases, for people and for test runners.

use crate::args::CasesArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{scenarios, show};

/// Prints `scenario::case`, one a line, in the order of the files.
pub(crate) fn command(args: &CasesArgs) -> Result<Exit, Failure> {
    let loaded = scenarios::read(&args.files.paths)?;
    let lines = loaded.iter().flat_map(|loaded| {
        let scenario = &loaded.scenario.metadata.name;
        meshproof_runner::names(loaded, args.sabotage)
            .into_iter()
            .map(move |case| format!("{scenario}::{case}\n"))
    });
    let text: String = lines.collect();
    show::out(&text).map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))?;
    Ok(Exit::Pass)
}
