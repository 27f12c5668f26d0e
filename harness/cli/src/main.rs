//! The `meshproof` command.
//!
//! Everything a user sees at the command line is here: arguments, live progress, the final table,
//! error text, exit codes. What is proven is decided in other crates.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod args;
mod clean;
mod contexts;
mod doctor;
mod exit;
mod explain;
mod failure;
mod lint;
mod list;
mod mesh;
mod plan;
mod report;
mod run;
mod scenarios;
mod show;
mod state;
mod toolchain;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command, MeshCommand};
use crate::exit::Exit;

fn main() -> ExitCode {
    // Before any thread exists: in the child that owns the namespaces this does not return.
    meshproof_pocket_node::entry();
    // Router pods and pods of the prober run this program under other names.
    let applet = meshproof_pocket::router::entry().or_else(meshproof_probe::entry);
    if let Some(code) = applet {
        return code;
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error).into(),
    };
    let done = match args.command {
        Command::Run(args) => run::command(&args),
        Command::Doctor(args) => doctor::command(&args),
        Command::Clean(args) => clean::command(&args),
        Command::Toolchain(args) => toolchain::command(&args),
        Command::Mesh(MeshCommand::Compile(args)) => mesh::compile(&args),
        Command::Mesh(MeshCommand::Trace(args)) => mesh::trace(&args),
        Command::Explain(args) => explain::command(&args),
        Command::Lint(args) => lint::command(&args),
        Command::List(args) => list::command(&args),
        Command::Plan(args) => plan::command(&args),
        Command::Report(args) => report::command(&args),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report().into(),
    }
}

/// Help and version are no errors; everything else about the arguments is bad input.
fn usage(error: &clap::Error) -> Exit {
    let wanted = !error.use_stderr();
    match error.print() {
        Ok(()) if wanted => Exit::Pass,
        _ => Exit::BadInput,
    }
}
