//! The least work that moves one session through four proxies, and how long it takes.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::tools::Tools;

/// Wall time of one run of the script, in milliseconds, as it measures it itself.
pub(crate) fn bare_floor(root: &Path, tools: &Tools) -> f64 {
    let script = root.join("harness/cli/benches/floor/floor");
    let mut path = OsString::from(tools.bin.path());
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .arg(script)
        .arg("1")
        .env("PATH", path)
        .env("ENVOY", &tools.envoy)
        .env_remove("SUDO_USER")
        .output()
        .expect("starting the floor script");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "the floor failed:\n{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.trim().parse().expect("a number of milliseconds")
}

/// The middle of some values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
