//! `meshproof plan`: what a run would do, in order, without doing it.

use crate::args::CasesArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{scenarios, show};

/// Prints the plan of each scenario.
pub(crate) fn command(args: &CasesArgs) -> Result<Exit, Failure> {
    let loaded = scenarios::read(&args.files.paths)?;
    let plans: Vec<String> = loaded
        .iter()
        .map(|loaded| meshproof_runner::plan(loaded, None, args.sabotage).to_string())
        .collect();
    show::out(&plans.join("\n")).map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))?;
    Ok(Exit::Pass)
}
