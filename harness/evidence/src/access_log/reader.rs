//! Reads lines of any encoding into [`HopLine`]s.

use thiserror::Error;

use super::builtin::{BuiltIn, detect};
use super::format::{Format, FormatError};
use super::json::{JsonError, Object};
use super::line::{FieldError, HopLine};
use super::parse::LineError;

/// Reads the lines of one proxy.
#[derive(Clone, Debug)]
pub enum Reader {
    /// Lines of a format string.
    Text(Format),
    /// Istio's JSON encoding.
    Json,
}

/// Why a line could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The line does not have the format.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The line is not the JSON of a record.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A value that its operator cannot have.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// None of the built-in formats.
    #[error(
        "access log line has none of the built-in formats; give the format string of the mesh (`accessLogFormat`): `{line}`"
    )]
    Unknown {
        /// The line.
        line: String,
    },
}

impl Reader {
    /// A reader for a format string, or for JSON where it is `json`.
    pub fn new(format: &str) -> Result<Self, FormatError> {
        match format {
            "json" => Ok(Self::Json),
            text => Format::compile(text).map(Self::Text),
        }
    }

    /// A reader for what the first line looks like.
    pub fn detect(first: &str) -> Result<Self, ReadError> {
        let found = detect(first).ok_or_else(|| ReadError::Unknown {
            line: first.to_owned(),
        })?;
        Ok(found.into())
    }

    /// One line.
    pub fn read(&self, line: &str) -> Result<HopLine, ReadError> {
        match self {
            Self::Text(format) => Ok(HopLine::from_record(&format.parse(line)?)?),
            Self::Json => Ok(HopLine::from_object(&Object::parse(line)?, line)?),
        }
    }

    /// All lines; the first that cannot be read is the error.
    pub fn read_all<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<HopLine>, ReadError> {
        lines.into_iter().map(|line| self.read(line)).collect()
    }
}

impl From<BuiltIn> for Reader {
    fn from(built_in: BuiltIn) -> Self {
        built_in
            .format()
            .map_or(Self::Json, |format| Self::Text(format.clone()))
    }
}
