//! The processes of one run, whatever runs beside it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process of a run.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pid: u32,
    argv: Vec<String>,
}

impl Process {
    /// Whether it is this one. Numbers are not used again so soon.
    pub(crate) const fn is(&self, other: &Self) -> bool {
        self.pid == other.pid
    }

    /// Whether its program has this name.
    pub(crate) fn runs(&self, program: &str) -> bool {
        let name = self.argv.first().and_then(|path| path.rsplit('/').next());
        name == Some(program)
    }

    /// Whether it was started with this word as its first argument.
    pub(crate) fn does(&self, word: &str) -> bool {
        self.argv.get(1).is_some_and(|found| found == word)
    }

    /// Whether it is the proxy of the pod whose name begins so: its bootstrap says whose it is.
    pub(crate) fn is_proxy_of(&self, pod: &str) -> bool {
        let bootstrap = self.folder().join("root/etc/istio/proxy/envoy.json");
        let named = |text: String| text.contains(&format!(r#""id":"{pod}"#));
        self.runs("envoy") && fs::read_to_string(bootstrap).is_ok_and(named)
    }

    /// Where it works.
    pub(crate) fn working_folder(&self) -> PathBuf {
        self.folder().join("cwd")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid).unwrap());
        kill(pid, signal).unwrap();
    }

    fn folder(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.pid))
    }
}

/// The descendants of a process. Those that end meanwhile are left out.
pub(crate) fn family(root: u32) -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let all: Vec<(u32, u32)> = entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, parent(pid)?))
        })
        .collect();
    let mut known = BTreeSet::from([root]);
    loop {
        let before = known.len();
        let of_known = |(pid, parent): &(u32, u32)| known.contains(parent).then_some(*pid);
        let more: Vec<u32> = all.iter().filter_map(of_known).collect();
        known.extend(more);
        if known.len() == before {
            break;
        }
    }
    known.into_iter().filter_map(process).collect()
}

/// Field 4 of `proc_pid_stat(5)`, behind the name in parentheses.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let behind = stat.rsplit_once(')')?.1;
    behind.split_whitespace().nth(1)?.parse().ok()
}

fn process(pid: u32) -> Option<Process> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = line.split(|byte| *byte == 0);
    let argv = words.map(|word| String::from_utf8_lossy(word).into_owned());
    let argv = argv.collect();
    Some(Process { pid, argv })
}
