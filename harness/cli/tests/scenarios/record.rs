//! A run of a scenario by the command, and what its record says of each case.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Completion, Failed};
use meshproof_record::{CaseRecord, RunRecord, Status};

use crate::suite::MESHPROOF;

/// What a case under sabotage is called behind its name.
const SABOTAGED: &str = ".sabotaged";
/// Exit codes of the command for what a machine may lack (see the README's table).
const LACKING: [i32; 2] = [4, 5];

/// A run that came to its end, well or not.
pub(crate) struct Ran {
    /// Exit code of the command.
    pub(crate) exit: i32,
    /// What it printed to standard error.
    pub(crate) stderr: String,
    /// The run record, where there is one.
    pub(crate) record: Option<RunRecord>,
    /// Where the reports are.
    pub(crate) folder: PathBuf,
}

/// The folder for reports: `meshproof` in the target folder, whichever that is.
pub(crate) fn reports() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("meshproof")
}

/// Runs the wanted cases of a scenario, and the controls they need; all of them where none is named.
pub(crate) fn run(file: &Path, wanted: &[String], root: &Path) -> Result<Ran, String> {
    // A folder of its own, so that `latest` in it is this run whatever else goes on.
    let out = tempfile::Builder::new()
        .prefix("test-")
        .tempdir_in(made(root)?)
        .map_err(|error| error.to_string())?;
    let mut command = Command::new(MESHPROOF);
    command
        .args(["run", "--sabotage"])
        .arg(file)
        .arg("--out")
        .arg(out.path())
        .args(where_to());
    if !wanted.is_empty() {
        // A case and the same under sabotage are chosen by one name.
        let case = |name: &String| regex_lite::escape(name.strip_suffix(SABOTAGED).unwrap_or(name));
        let names: Vec<String> = wanted.iter().map(case).collect();
        command
            .arg("--case")
            .arg(format!("^(?:{})$", names.join("|")));
    }
    let output = command
        .output()
        .map_err(|error| format!("starting {MESHPROOF}: {error}"))?;
    let folder = out.path().join("latest").canonicalize();
    let record = folder
        .as_ref()
        .ok()
        .map(|folder| read(&folder.join("run.json")))
        .transpose()?;
    Ok(Ran {
        exit: output.status.code().unwrap_or(-1),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        record,
        folder: keep(folder.ok(), root)?,
    })
}

/// Where it runs: on embedded clusters, or where the environment says.
fn where_to() -> Vec<String> {
    let options = [
        ("--on", "MESHPROOF_ON"),
        ("--client-context", "MESHPROOF_CLIENT_CONTEXT"),
        ("--server-context", "MESHPROOF_SERVER_CONTEXT"),
    ];
    let given = options.into_iter().filter_map(|(option, variable)| {
        let value = std::env::var(variable).ok()?;
        Some([option.to_owned(), value])
    });
    given.flatten().collect()
}

/// Moves the run's folder to where reports are kept. The run's name makes it unique.
fn keep(folder: Option<PathBuf>, root: &Path) -> Result<PathBuf, String> {
    let Some(from) = folder else {
        return Ok(root.to_owned());
    };
    let to = root.join(from.file_name().unwrap_or_default());
    fs::rename(&from, &to)
        .map_err(|error| format!("moving {} to {}: {error}", from.display(), to.display()))?;
    Ok(to)
}

fn made(folder: &Path) -> Result<&Path, String> {
    fs::create_dir_all(folder).map_err(|error| format!("making {}: {error}", folder.display()))?;
    Ok(folder)
}

/// Reads a run record.
pub(crate) fn read(path: &Path) -> Result<RunRecord, String> {
    let json = fs::read(path).map_err(|error| format!("reading {}: {error}", path.display()))?;
    serde_json::from_slice(&json).map_err(|error| format!("reading {}: {error}", path.display()))
}

/// What a run says of the case `scenario::case`.
pub(crate) fn judge(ran: Result<&Ran, String>, name: &str) -> Result<Completion, Failed> {
    let ran = ran.map_err(Failed::from)?;
    if LACKING.contains(&ran.exit) {
        return lacking(ran, name);
    }
    match ran.record.as_ref().and_then(|record| case(record, name)) {
        Some(case) => verdict(case, ran),
        None => Err(format!(
            "the run ended with {} and without this case\n{}",
            ran.exit, ran.stderr
        )
        .into()),
    }
}

/// Where the machine lacks something: no trial here, a failure in CI.
fn lacking(ran: &Ran, name: &str) -> Result<Completion, Failed> {
    let reason = ran.stderr.trim();
    if std::env::var("CI").is_ok_and(|value| value == "true") {
        return Err(format!("this machine cannot run scenarios, and CI must\n{reason}").into());
    }
    eprintln!("skipped {name}: {reason}");
    Ok(Completion::ignored_with(
        reason.lines().next().unwrap_or_default(),
    ))
}

fn verdict(case: &CaseRecord, ran: &Ran) -> Result<Completion, Failed> {
    match case.verdict.status {
        Status::Pass => Ok(Completion::Completed),
        Status::Skipped => Ok(Completion::ignored_with(&case.verdict.summary)),
        Status::Fail | Status::Inconclusive => Err(explain(case, ran).into()),
    }
}

fn explain(case: &CaseRecord, ran: &Ran) -> String {
    let mut lines = vec![case.verdict.summary.clone()];
    let bad = case
        .verdict
        .checks
        .iter()
        .filter(|check| check.status != Status::Pass);
    lines.extend(bad.map(|check| format!("  {}: {}", check.what, check.detail)));
    let problems = ran.record.iter().flat_map(|record| &record.problems);
    lines
        .extend(problems.map(|problem| format!("  while {}: {}", problem.during, problem.message)));
    lines.push(format!("  see {}", ran.folder.display()));
    lines.join("\n")
}

fn case<'a>(record: &'a RunRecord, name: &str) -> Option<&'a CaseRecord> {
    let (scenario, case) = name.split_once("::")?;
    let scenario = record
        .scenarios
        .iter()
        .find(|found| found.name == scenario)?;
    scenario.cases.iter().find(|found| found.name == case)
}
