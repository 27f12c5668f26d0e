//! Peak memory of a program's own processes, not of the proxies and databases it starts.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// The most memory that was held, in MiB.
#[derive(Default)]
pub(crate) struct Peak {
    /// By the command alone: `VmHWM` of proc(5), which misses nothing between samples.
    pub(crate) command: f64,
    /// By all processes of the executable at one time: the sum of their `Pss`, which counts pages
    /// that several share once, sampled.
    pub(crate) together: f64,
}

/// Runs the child to its end and says how much the processes of its executable held.
pub(crate) fn peak(child: &mut Child, executable: &Path) -> Peak {
    let executable = executable.canonicalize().expect("the program's path");
    let own =
        |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == executable);
    let mut peak = Peak::default();
    loop {
        let together = pids()
            .filter(own)
            .filter_map(|pid| mib(pid, "smaps_rollup", "Pss:"))
            .sum();
        peak.together = peak.together.max(together);
        peak.command = peak
            .command
            .max(mib(child.id(), "status", "VmHWM:").unwrap_or_default());
        if child.try_wait().expect("waiting for the program").is_some() {
            return peak;
        }
        // Sampling, not waiting.
        #[allow(clippy::disallowed_methods)]
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A size in KiB out of a file of a process, in MiB.
fn mib(pid: u32, file: &str, name: &str) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
