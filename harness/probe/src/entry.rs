//! The applet: which of its commands was asked for.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::{COMMAND, Request, connect, endpoint, hush};

/// What the command line should have been.
const USAGE: &str = "connect (a request as JSON on standard input) | hush PORT | endpoint --listen ADDRESS:PORT --certificate DIR --to HOST:PORT | endpoint --config FILE";
/// The request, or the command line, is wrong.
const BAD_REQUEST: u8 = 2;

/// Why a command ended without doing its work.
pub(crate) enum Failure {
    /// What it was asked for is wrong.
    Request(String),
    /// Something else is.
    Other(String),
}

/// Runs the command if this program was started under its name. To be called early in `main`.
pub fn entry() -> Option<ExitCode> {
    let mut args = std::env::args_os();
    let own = args.next()?;
    if Path::new(&own).file_name() != Some(OsStr::new(COMMAND)) {
        return None;
    }
    let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["connect"] => probe(),
        ["hush", port] => hush::run(port),
        ["endpoint", options @ ..] => endpoint::run(options),
        _ => Err(Failure::Request(format!("usage: {COMMAND} {USAGE}"))),
    };
    let (code, message) = match done {
        Ok(()) => return Some(ExitCode::SUCCESS),
        Err(Failure::Request(message)) => (ExitCode::from(BAD_REQUEST), message),
        Err(Failure::Other(message)) => (ExitCode::FAILURE, message),
    };
    // Nobody is left to tell when standard error is gone too.
    drop(writeln!(std::io::stderr(), "{COMMAND}: {message}"));
    Some(code)
}

fn probe() -> Result<(), Failure> {
    let mut json = Vec::new();
    std::io::stdin()
        .read_to_end(&mut json)
        .map_err(|error| Failure::Other(format!("reading the request: {error}")))?;
    let request = Request::read(&json).map_err(|error| Failure::Request(error.to_string()))?;
    let report = connect(&request).map_err(|error| Failure::Request(error.to_string()))?;
    let mut line = serde_json::to_string(&report)
        .map_err(|error| Failure::Other(format!("writing the report: {error}")))?;
    line.push('\n');
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Other(format!("printing the report: {error}")))
}
