//! The scenario suite as tests: one trial per case, named `scenario::case`, and one more for each under
//! its sabotage, `scenario::case.sabotaged`.
//!
//! A scenario runs once, by the `meshproof` command itself, for all of its trials. Under `cargo test`
//! the trials are threads of one process and share the run there; under nextest each trial is a
//! process of its own, and whoever comes first runs the scenario for all (see `shared.rs`).
//!
//! Where the machine lacks what the clusters need, trials are ignored with the reason, but in CI
//! they fail: a gate that skips everything is open.

#![allow(clippy::unwrap_used)]

#[path = "scenarios/record.rs"]
mod record;
#[path = "scenarios/shared.rs"]
mod shared;
#[path = "scenarios/suite.rs"]
mod suite;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let suites = match suite::all() {
        Ok(suites) => suites,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let selected = |name: &str| !arguments.is_filtered_out(&Trial::test(name, || Ok(())));
    let trials = suites
        .into_iter()
        .flat_map(|suite| suite.trials(&selected))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
