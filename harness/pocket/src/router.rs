//! The router pod's own command, `meshproof-router`: what the network counted ([`drops`]), and what
//! crosses the link between the clusters ([`capture`]).
//!
//! It is this program under another name, run by `exec` in the router pod.

mod capture;
mod drops;
mod outlet;
mod pcapng;

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// The name of the command.
pub const COMMAND: &str = "meshproof-router";

/// Runs the command if this program was started under its name. To be called early in `main`.
pub fn entry() -> Option<ExitCode> {
    let mut args = std::env::args_os();
    let own = args.next()?;
    if Path::new(&own).file_name() != Some(OsStr::new(COMMAND)) {
        return None;
    }
    let args: Vec<String> = args.map(|a| a.to_string_lossy().into_owned()).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args.as_slice() {
        ["drops"] => drops::once(),
        ["drops", "--follow"] => drops::follow(),
        ["capture"] => capture::run(crate::network::LINK),
        _ => Err(format!("usage: {COMMAND} drops [--follow] | capture")),
    };
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Nobody is left to tell when standard error is gone too.
            drop(writeln!(std::io::stderr(), "{COMMAND}: {message}"));
            ExitCode::FAILURE
        }
    })
}
