//! `meshproof plan`: what a run would do, in order, without doing it.

use crate::args::FilesArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{scenarios, show};

/// Prints the plan of each scenario.
pub(crate) fn command(args: &FilesArgs) -> Result<Exit, Failure> {
    let loaded = scenarios::read(&args.paths)?;
    let plans: Vec<String> = loaded
        .iter()
        .map(|loaded| meshproof_runner::plan(loaded, None).to_string())
        .collect();
    show::out(&plans.join("\n")).map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))?;
    Ok(Exit::Pass)
}
