//! Runs that must not end well: each with one fault, its exit code, what is said of it, and its reports.
//!
//! Skipped with the reason where the machine lacks what a test needs; in CI that is a failure.

#![allow(clippy::unwrap_used)]

#[path = "faults/bench.rs"]
mod bench;
#[path = "faults/captures.rs"]
mod captures;
#[path = "faults/clocks.rs"]
mod clocks;
#[path = "faults/clusters.rs"]
mod clusters;
#[path = "faults/compiled.rs"]
mod compiled;
#[path = "faults/during.rs"]
mod during;
#[path = "faults/held.rs"]
mod held;
#[path = "faults/logs.rs"]
mod logs;
#[path = "faults/machine.rs"]
mod machine;
#[path = "faults/processes.rs"]
mod processes;
#[path = "faults/programs.rs"]
mod programs;
