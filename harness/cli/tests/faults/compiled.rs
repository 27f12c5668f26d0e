//! Small programs in C that spoil what the command gets of the machine: nothing else can, without the
//! machine's own administrator.

use std::path::PathBuf;
use std::process::Command;

use crate::bench::{Bench, skip};

/// Compiles a file of this folder, or says why this machine cannot.
pub(crate) fn compiled(bench: &Bench, name: &str, options: &[&str]) -> Option<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults");
    let (source, made) = (format!("{folder}/{name}.c"), bench.path(name));
    let mut compiler = Command::new("cc");
    compiler.args(options).arg("-o").arg(&made).arg(source);
    match compiler.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "compiling {name}: {said}");
            Some(made)
        }
        Err(error) => {
            skip(&format!("compiling {name} with cc: {error}"));
            None
        }
    }
}
