//! One line for every request, in a file: for people who ask what meshproof does to their cluster.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, Result};

/// A file with one JSON object for each request. No body, header or token is ever in it.
#[derive(Debug)]
pub struct Trace {
    path: PathBuf,
    file: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    file: File,
    /// The first line that could not be written; none is tried after it, so that the file has no hole.
    failed: Option<std::io::Error>,
}

/// One attempt of a request.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    /// RFC 3339, UTC: when it was sent.
    pub(super) time: String,
    pub(super) cluster: &'a str,
    pub(super) method: &'a str,
    /// With the query.
    pub(super) path: &'a str,
    /// HTTP's, where there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    /// Why there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<&'static str>,
    /// Until the answer, or, of streams, until its beginning.
    pub(super) ms: f64,
    /// 1 for the first.
    pub(super) attempt: u32,
}

impl Trace {
    /// Begins a file, readable by the user alone; one that is there is written over.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn create(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(path).map_err(|source| Error::File {
            doing: "write the trace of API requests to",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(Written { file, failed: None }),
        })
    }

    /// # Errors
    /// A line could not be written.
    pub fn finish(&self) -> Result<()> {
        let mut written = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        written.failed.take().map_or(Ok(()), |source| {
            Err(Error::File {
                doing: "write the trace of API requests to",
                path: self.path.clone(),
                source,
            })
        })
    }

    pub(super) fn write(&self, line: &Line<'_>) {
        let mut written = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if written.failed.is_some() {
            return;
        }
        let text = serde_json::to_string(line).map_err(std::io::Error::other);
        let done = text.and_then(|text| written.file.write_all(format!("{text}\n").as_bytes()));
        written.failed = done.err();
    }
}

/// Milliseconds with a precision that means something.
pub(super) fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e5).round() / 100.0
}
