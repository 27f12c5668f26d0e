//! Peak memory of a program's own processes, not of the proxies and databases it starts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// One process of the program.
pub(crate) struct Process {
    pub(crate) name: String,
    /// `VmHWM` of proc(5), the most that was ever resident.
    pub(crate) mib: f64,
}

/// Runs the child to its end and says how much each process of the same executable ever held.
pub(crate) fn peak(child: &mut Child, executable: &Path) -> Vec<Process> {
    let executable = executable.canonicalize().expect("the program's path");
    let mut seen: BTreeMap<u32, f64> = BTreeMap::new();
    loop {
        for pid in pids() {
            if fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == executable)
                && let Some(mib) = high_water(pid)
            {
                let most = seen.entry(pid).or_default();
                *most = most.max(mib);
            }
        }
        if child.try_wait().expect("waiting for the program").is_some() {
            break;
        }
        // Sampling: the high-water mark only grows, so no sample can be too early, only too few.
        #[allow(clippy::disallowed_methods)]
        std::thread::sleep(Duration::from_millis(2));
    }
    let main = child.id();
    let name = |pid| {
        if pid == main {
            "the command".to_owned()
        } else {
            format!("its child {pid}")
        }
    };
    seen.into_iter()
        .map(|(pid, mib)| Process {
            name: name(pid),
            mib,
        })
        .collect()
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn high_water(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
