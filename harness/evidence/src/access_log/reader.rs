//! Reads lines of any format into [`HopLine`]s.

use std::fmt;

use thiserror::Error;

use super::builtin::BuiltIn;
use super::format::{Format, FormatError};
use super::json::{JsonError, JsonFormat, JsonFormatError};
use super::line::{FieldError, HopLine};
use super::operator::Operator;
use super::parse::LineError;

/// Reads the records of one proxy.
#[derive(Clone, Debug, PartialEq)]
pub enum Reader {
    /// Lines of a format string.
    Text(Format),
    /// JSON objects.
    Json(JsonFormat),
}

/// Why a record could not be read.
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
}

/// Why a format cannot be used.
#[derive(Debug, Error)]
pub enum ReaderError {
    /// A format string.
    #[error(transparent)]
    Text(#[from] FormatError),
    /// A JSON object.
    #[error(transparent)]
    Json(#[from] JsonFormatError),
}

/// How run records name formats that are no format strings.
const JSON: &str = "json";
const JSON_OWN: &str = "json:";
const JSON_OMIT: &str = "json,omit-empty:";
const TEXT: &str = "text:";
const TEXT_OMIT: &str = "text,omit-empty:";

impl Reader {
    /// A reader for what a run record calls the format: a format string, `json` for Istio's keys,
    /// `json:{...}` for other ones, and `text,omit-empty:...` or `json,omit-empty:{...}` where
    /// `omit_empty_values` is set. [`Reader`]'s `Display` gives the same names.
    pub fn new(name: &str) -> Result<Self, ReaderError> {
        if name == JSON {
            return Ok(BuiltIn::Json.reader().clone());
        }
        if let Some(text) = name.strip_prefix(JSON_OWN) {
            return Ok(Self::Json(JsonFormat::compile(text)?));
        }
        if let Some(text) = name.strip_prefix(JSON_OMIT) {
            return Ok(Self::Json(JsonFormat::omitting_empty(text)?));
        }
        if let Some(text) = name.strip_prefix(TEXT_OMIT) {
            return Ok(Self::Text(Format::compile(text)?.omitting_empty()));
        }
        let text = name.strip_prefix(TEXT).unwrap_or(name);
        Ok(Self::Text(Format::compile(text)?))
    }

    /// The same format written with `omit_empty_values`.
    pub(super) fn omitting_empty(&self) -> Result<Self, ReaderError> {
        Ok(match self {
            Self::Text(format) => Self::Text(format.clone().omitting_empty()),
            Self::Json(format) => Self::Json(JsonFormat::omitting_empty(format.text())?),
        })
    }

    /// One record: a line, or as many as [`Reader::height`] says with their line breaks.
    pub fn read(&self, record: &str) -> Result<HopLine, ReadError> {
        match self {
            Self::Text(format) => Ok(HopLine::from_record(&format.parse(record)?)?),
            Self::Json(format) => Ok(HopLine::from_json(&format.parse(record)?)?),
        }
    }

    /// How many lines make one record.
    pub fn height(&self) -> usize {
        match self {
            Self::Text(format) => format.height(),
            Self::Json(_) => 1,
        }
    }

    /// Every operator of the format.
    pub fn operators(&self) -> Box<dyn Iterator<Item = &Operator> + '_> {
        match self {
            Self::Text(format) => Box::new(format.operators()),
            Self::Json(format) => Box::new(format.operators()),
        }
    }

    /// Whether the format has the operator of this [key](Operator::key).
    pub fn has(&self, key: &str) -> bool {
        self.operators().any(|operator| operator.key() == key)
    }

    /// Whether two formats give the same values of the same lines: they differ in nothing but which
    /// of two names of the cluster they log.
    pub(super) fn looks_like(&self, other: &Self) -> bool {
        fn key(operator: &Operator) -> &str {
            operator
                .key()
                .strip_suffix("_RAW")
                .unwrap_or(operator.key())
        }
        let laid_out_alike = match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.literals().eq(b.literals()),
            (Self::Json(a), Self::Json(b)) => a.keys().eq(b.keys()),
            _ => false,
        };
        laid_out_alike && self.operators().map(key).eq(other.operators().map(key))
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            json if json == BuiltIn::Json.reader() => f.write_str(JSON),
            Self::Json(format) if format.omits_empty() => {
                write!(f, "{JSON_OMIT}{}", format.text())
            }
            Self::Json(format) => write!(f, "{JSON_OWN}{}", format.text()),
            Self::Text(format) if format.omits_empty() => {
                write!(f, "{TEXT_OMIT}{}", format.text())
            }
            Self::Text(format) => {
                let text = format.text();
                let taken = [JSON, TEXT, "text,"]
                    .iter()
                    .any(|name| text.starts_with(name));
                write!(f, "{}{text}", if taken { TEXT } else { "" })
            }
        }
    }
}

impl From<BuiltIn> for Reader {
    fn from(built_in: BuiltIn) -> Self {
        built_in.reader().clone()
    }
}
