//! `meshproof run`: from files on the command line to a verdict, with a report on every way out.

mod embedded;
pub(crate) mod ending;
mod existing;
pub(crate) mod journal;
mod queue;
mod step_summary;
mod stop;
mod watch;
mod wiring;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::runtime::{Builder, Runtime};

use self::journal::Journal;
use self::stop::Stop;
use crate::args::{On, RunArgs};
use crate::contexts;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::show::live::Live;

pub(crate) use self::embedded::trial;
pub(crate) use self::wiring::programs;

/// Runs the scenarios, writes the reports, prints the table.
pub(crate) fn command(args: &RunArgs) -> Result<Exit, Failure> {
    let journal = Journal::begin(provider(args.on));
    let live = Live::new();
    let done = catch_unwind(AssertUnwindSafe(|| attempt(args, &journal, &live)));
    live.clear();
    let done = done.unwrap_or_else(|panic| Err(internal(panic.as_ref())));
    ending::report(args, &journal, done)
}

fn provider(on: On) -> &'static str {
    match on {
        On::Embedded => "embedded",
        On::Kind => "kind",
        On::Contexts => "contexts",
    }
}

/// The run itself, until it is done or a signal comes.
fn attempt(args: &RunArgs, journal: &Journal, live: &Live) -> Result<(), Failure> {
    contexts::fit(args.on, args.of_contexts())?;
    if args.on == On::Kind {
        return Err(not_built(args.on));
    }
    let system = |error: std::io::Error| Failure::of(Exit::EnvironmentFailed, &error);
    let stop = Stop::listen().map_err(system)?;
    let runtime = runtime()?;
    let done = match args.on {
        On::Contexts => runtime.block_on(existing::run(args, journal, live, stop)),
        On::Embedded | On::Kind => runtime.block_on(wiring::run(args, journal, live, stop)),
    };
    // A download that is under way in a thread is not waited for.
    runtime.shutdown_background();
    done
}

/// What commands that speak to clusters run in.
///
/// # Errors
/// The system gives no threads.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.map_err(|error| Failure::of(Exit::EnvironmentFailed, &error))
}

pub(crate) fn not_built(on: On) -> Failure {
    let message = format!(
        "--on {}: not built yet in this version: leave it out to run on the embedded clusters",
        provider(on)
    );
    Failure::new(Exit::BadInput, message)
}

/// The panic itself has been printed where it happened.
fn internal(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    Failure::new(
        Exit::Internal,
        format!("a fault in meshproof itself: {text}"),
    )
}
