//! The summary of a job on GitHub: a file that `GITHUB_STEP_SUMMARY` names, to which Markdown is appended
//! (<https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>, "job summaries").

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use meshproof_record::RunRecord;
use meshproof_reports::{STEP_SUMMARY_LIMIT, summary};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::show;

/// Less room than this is not worth a cut summary.
const WORTH: usize = 16 * 1024;

/// Appends the run's summary where GitHub asks for it.
pub(super) fn append(record: &RunRecord) -> Result<(), Failure> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    match append_to(Path::new(&path), record) {
        Ok(true) => Ok(()),
        Ok(false) => {
            show::note(&format!(
                "the job's summary {} has no room left for this run's: see summary.md in its folder",
                shown(&path)
            ));
            Ok(())
        }
        Err(error) => {
            let message = format!("appending the summary to {}: {error}", shown(&path));
            Err(Failure::new(Exit::EnvironmentFailed, message))
        }
    }
}

/// Whether there was room. GitHub drops the whole of a file that has grown too large.
fn append_to(path: &Path, record: &RunRecord) -> io::Result<bool> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let used = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let room = STEP_SUMMARY_LIMIT.saturating_sub(used + 1);
    if room < WORTH {
        return Ok(false);
    }
    let mut text = summary(record, room);
    text.push('\n');
    file.write_all(text.as_bytes())?;
    Ok(true)
}

fn shown(path: &OsStr) -> std::path::Display<'_> {
    Path::new(path).display()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::journal::Journal;

    #[test]
    fn it_is_appended_and_never_grows_beyond_what_github_takes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary");
        let record = Journal::begin("embedded").end();
        std::fs::write(&path, "before\n").unwrap();
        assert!(append_to(&path, &record).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("before\n## "), "{text}");
        std::fs::write(&path, vec![b'x'; STEP_SUMMARY_LIMIT - 100]).unwrap();
        assert!(!append_to(&path, &record).unwrap());
        let size = std::fs::metadata(&path).unwrap().len();
        assert_eq!(size, (STEP_SUMMARY_LIMIT - 100) as u64);
    }
}
