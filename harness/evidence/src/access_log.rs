//! Envoy access logs: formats, their lines, and one typed record for every encoding.

mod address;
mod builtin;
mod compile;
mod detect;
mod flags;
mod format;
mod json;
mod line;
mod log;
mod logged;
mod mesh;
mod needs;
mod operator;
mod parse;
mod program;
mod reader;
mod reason;
mod render;
mod time;
mod verification;

pub use address::Address;
pub use builtin::{BuiltIn, FAILURES_SUFFIX};
pub use detect::{Candidate, DetectError, Detected, Expected, detect};
pub use format::{Format, FormatError, MAX_LITERAL, MAX_OPERATORS};
pub use json::{JsonError, JsonFormat, JsonFormatError, JsonRecord};
pub use line::{FieldError, HopLine};
pub use log::{LogError, ReadLog, Skipped, read_log};
pub use logged::Logged;
pub use mesh::{MeshLogs, MeshLogsError, Written};
pub use needs::{NEEDS, Need};
pub use operator::Operator;
pub use parse::{LineError, Record};
pub use program::is_program_line;
pub use reader::{ReadError, Reader, ReaderError};
pub use reason::normalise;
pub use render::RenderError;
