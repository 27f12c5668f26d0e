//! Which cases there are, and the trial of each.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use libtest_mimic::Trial;

use crate::record::{self, Ran};
use crate::shared;

pub(crate) const MESHPROOF: &str = env!("CARGO_BIN_EXE_meshproof");

/// One scenario file and the names of its cases, as the command lists them, those under sabotage too.
pub(crate) struct Suite {
    file: PathBuf,
    cases: Vec<String>,
}

/// Every scenario of the workspace.
pub(crate) fn all() -> Result<Vec<Suite>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let folder = folder
        .canonicalize()
        .map_err(|error| format!("looking for {}: {error}", folder.display()))?;
    let entries = std::fs::read_dir(&folder)
        .map_err(|error| format!("reading {}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files.into_iter().map(Suite::list).collect()
}

impl Suite {
    fn list(file: PathBuf) -> Result<Self, String> {
        let output = Command::new(MESHPROOF)
            .args(["list", "--sabotage"])
            .arg(&file)
            .output();
        let output = output.map_err(|error| format!("starting {MESHPROOF}: {error}"))?;
        if !output.status.success() {
            return Err(format!(
                "listing {}:\n{}",
                file.display(),
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        let cases = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect();
        Ok(Self { file, cases })
    }

    /// A trial per case. `selected` says which of them this process will run.
    pub(crate) fn trials(self, selected: &dyn Fn(&str) -> bool) -> Vec<Trial> {
        let wanted: Vec<String> = self
            .cases
            .iter()
            .filter(|name| selected(name))
            .cloned()
            .collect();
        let run = Arc::new(Shared {
            file: self.file,
            wanted,
            ran: OnceLock::new(),
        });
        self.cases
            .into_iter()
            .map(|name| {
                let run = Arc::clone(&run);
                Trial::ignorable_test(name.clone(), move || record::judge(run.get(), &name))
            })
            .collect()
    }
}

/// A run that several trials wait for.
struct Shared {
    file: PathBuf,
    wanted: Vec<String>,
    ran: OnceLock<Result<Ran, String>>,
}

impl Shared {
    fn get(&self) -> Result<&Ran, String> {
        let ran = self.ran.get_or_init(|| match shared::nextest_run() {
            Some(id) => shared::run_once(&self.file, &id),
            None => record::run(&self.file, &self.wanted, &record::reports()),
        });
        ran.as_ref().map_err(Clone::clone)
    }
}
