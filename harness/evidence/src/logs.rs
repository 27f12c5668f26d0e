//! The raw lines of a run record as typed lines.

use std::collections::BTreeMap;

use meshproof_record::{Hop, LogEvidence};
use thiserror::Error;

use crate::access_log::{LogError, Reader, ReaderError, read_log};
use crate::classify::name;
use crate::stitch::HopLogs;

/// Why the lines of a proxy cannot be used as evidence.
#[derive(Debug, Error)]
pub enum LogsError {
    /// The format string that the record names.
    #[error("reading the log of {hop} ({pod})", hop = name(*hop))]
    Format {
        /// Whose log.
        hop: Hop,
        /// `namespace/pod`.
        pod: String,
        /// What is wrong with the format.
        source: ReaderError,
    },
    /// A line.
    #[error("reading the log of {hop} ({pod})", hop = name(*hop))]
    Line {
        /// Whose log.
        hop: Hop,
        /// `namespace/pod`.
        pod: String,
        /// What is wrong with the line.
        source: Box<LogError>,
    },
}

/// Reads every hop's lines with the format that its evidence names.
pub fn read_logs(evidence: &BTreeMap<Hop, LogEvidence>) -> Result<HopLogs, LogsError> {
    evidence
        .iter()
        .map(|(hop, evidence)| Ok((*hop, read(*hop, evidence)?)))
        .collect()
}

fn read(hop: Hop, evidence: &LogEvidence) -> Result<Vec<crate::HopLine>, LogsError> {
    let pod = || evidence.pod.clone();
    let reader = Reader::new(&evidence.format).map_err(|source| LogsError::Format {
        hop,
        pod: pod(),
        source,
    })?;
    let read = read_log(&reader, &evidence.lines).map_err(|source| LogsError::Line {
        hop,
        pod: pod(),
        source: Box::new(source),
    })?;
    Ok(read.lines)
}
