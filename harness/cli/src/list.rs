//! `meshproof list`: the names of cases, for people and for test runners.

use crate::args::FilesArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{scenarios, show};

/// Prints `scenario::case`, one a line, in the order of the files.
pub(crate) fn command(args: &FilesArgs) -> Result<Exit, Failure> {
    let mut text = String::new();
    for loaded in scenarios::read(&args.paths)? {
        let scenario = &loaded.scenario;
        for case in scenario.cases.iter() {
            text.push_str(&format!("{}::{}\n", scenario.metadata.name, case.name));
        }
    }
    show::out(&text).map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))?;
    Ok(Exit::Pass)
}
