//! One run for trials that are processes of their own, as under nextest.
//!
//! The first trial of a scenario takes a lock, runs the scenario and leaves a note of what came of
//! it; the others wait for the lock and read the note. The kernel frees the lock of a process that
//! dies, and then the next one runs the scenario. No process outlives the last trial, because the
//! clusters end with the run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::record::{self, Ran};

/// Older notes belong to runs that are over.
const KEPT: Duration = Duration::from_hours(24);

/// The name of nextest's run, where each trial is a process of its own.
pub(crate) fn nextest_run() -> Option<String> {
    let own_process =
        std::env::var("NEXTEST_EXECUTION_MODE").is_ok_and(|mode| mode == "process-per-test");
    let id = std::env::var("NEXTEST_RUN_ID").ok()?;
    (own_process && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')).then_some(id)
}

/// Runs the scenario unless another trial of the same nextest run has.
pub(crate) fn run_once(file: &Path, id: &str) -> Result<Ran, String> {
    let root = record::reports();
    let folder = root.join(format!("nextest-{id}"));
    let telling = |path: &Path, error: std::io::Error| {
        format!("sharing a run by {}: {error}", path.display())
    };
    fs::create_dir_all(&folder).map_err(|error| telling(&folder, error))?;
    let name = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let path = folder.join(format!("{name}.lock"));
    let lock = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|error| telling(&path, error))?;
    lock.lock().map_err(|error| telling(&path, error))?;
    let note = folder.join(format!("{name}.json"));
    if let Some(ran) = left(&note)? {
        return Ok(ran);
    }
    forget_old(&root);
    let ran = record::run(file, &[], &root)?;
    // Appears whole or not at all: a trial may be ended at any moment.
    let unfinished = note.with_extension("unfinished");
    fs::write(&unfinished, note_of(&ran)).map_err(|error| telling(&unfinished, error))?;
    fs::rename(&unfinished, &note).map_err(|error| telling(&note, error))?;
    Ok(ran)
}

fn note_of(ran: &Ran) -> String {
    let recorded = ran.record.is_some();
    json!({"exit": ran.exit, "stderr": ran.stderr, "folder": ran.folder, "recorded": recorded})
        .to_string()
}

/// What the trial that ran the scenario left.
fn left(note: &Path) -> Result<Option<Ran>, String> {
    let Ok(text) = fs::read_to_string(note) else {
        return Ok(None);
    };
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| format!("reading {}: {error}", note.display()))?;
    let folder = PathBuf::from(value["folder"].as_str().unwrap_or_default());
    let record = if value["recorded"] == true {
        Some(record::read(&folder.join("run.json"))?)
    } else {
        None
    };
    let exit = value["exit"]
        .as_i64()
        .and_then(|exit| i32::try_from(exit).ok())
        .unwrap_or(-1);
    Ok(Some(Ran {
        exit,
        stderr: value["stderr"].as_str().unwrap_or_default().to_owned(),
        record,
        folder,
    }))
}

/// Removes notes of runs long over. What cannot be removed does no harm.
fn forget_old(root: &Path) {
    let before = SystemTime::now() - KEPT;
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let old = entry
            .metadata()
            .and_then(|data| data.modified())
            .is_ok_and(|changed| changed < before);
        if old && entry.file_name().to_string_lossy().starts_with("nextest-") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
