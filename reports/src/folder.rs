//! The folder of a run: `run.json`, `junit.xml`, `report.html`, `summary.md`, `cases.md`, and the `latest` link beside it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use meshproof_record::RunRecord;

use crate::cases::cases;
use crate::html::{HtmlError, html};
use crate::junit::{JunitError, junit};
use crate::summary::{COMMENT_LIMIT, summary};

/// Where the reports of a run were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The folder of the run.
    pub folder: PathBuf,
    /// The run record.
    pub run_json: PathBuf,
    /// The JUnit report.
    pub junit_xml: PathBuf,
    /// The page for people.
    pub report_html: PathBuf,
    /// What a pull request shows of the run.
    pub summary_md: PathBuf,
    /// Expected and observed, case by case.
    pub cases_md: PathBuf,
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The run's name cannot name a folder.
    #[error("writing the reports of run {0:?}: a run's name must be one plain path component")]
    RunId(String),
    /// The file system refused.
    #[error("writing {}: {source}", path.display())]
    Io {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The record could not be put into JSON.
    #[error("encoding the run record: {0}")]
    Json(#[from] serde_json::Error),
    /// The record could not be put into JUnit's XML.
    #[error("making the junit report: {0}")]
    Junit(#[from] JunitError),
    /// The record could not be put into a page.
    #[error("making the page: {0}")]
    Html(#[from] HtmlError),
}

/// Writes `root/<run id>/run.json` and every report beside it, then points `root/latest` at the folder.
///
/// Each file appears whole or not at all, also when the disk is full; `latest` never dangles in
/// between. Writing the same run again replaces its files.
pub fn write_run(root: &Path, record: &RunRecord) -> Result<Written, WriteError> {
    let name = plain_name(&record.run_id)?;
    let folder = root.join(name);
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let written = Written {
        run_json: folder.join("run.json"),
        junit_xml: folder.join("junit.xml"),
        report_html: folder.join("report.html"),
        summary_md: folder.join("summary.md"),
        cases_md: folder.join("cases.md"),
        folder,
    };
    let mut json = serde_json::to_vec_pretty(record)?;
    json.push(b'\n');
    replace_file(&written.run_json, &json)?;
    replace_file(
        &written.junit_xml,
        junit(record, &[&written.run_json])?.as_bytes(),
    )?;
    replace_file(&written.report_html, html(record)?.as_bytes())?;
    replace_file(
        &written.summary_md,
        summary(record, COMMENT_LIMIT).as_bytes(),
    )?;
    replace_file(&written.cases_md, cases(record).as_bytes())?;
    replace_link(&root.join("latest"), name)?;
    Ok(written)
}

/// A run's name as a path, unless it would lead out of the root or be taken for the link.
fn plain_name(run_id: &str) -> Result<&Path, WriteError> {
    let path = Path::new(run_id);
    let mut parts = path.components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(_)), None) if run_id != "latest" => Ok(path),
        _ => Err(WriteError::RunId(run_id.to_owned())),
    }
}

/// Writes a file beside its final place and renames it there: it appears whole or not at all. A failure
/// leaves nothing behind.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let parent = folder_of(path);
    let mut file = tempfile::Builder::new()
        .prefix(".report-")
        // Reports are for others to read; the umask still applies.
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(parent)
        .map_err(at(path))?;
    file.write_all(bytes).map_err(at(path))?;
    file.persist(path).map_err(|error| at(path)(error.error))?;
    Ok(())
}

/// Makes a symbolic link under a name of its own and renames it over the old one.
fn replace_link(link: &Path, target: &Path) -> Result<(), WriteError> {
    let parent = folder_of(link);
    let made = tempfile::Builder::new()
        .prefix(".latest-")
        .make_in(parent, |path| symlink(target, path))
        .map_err(at(link))?;
    made.into_temp_path()
        .persist(link)
        .map_err(|error| at(link)(error.error))
}

/// The folder that a file is in; a plain name has an empty one.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError::Io { path, source }
}
