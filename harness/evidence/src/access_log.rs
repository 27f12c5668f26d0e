//! Envoy access logs: format strings, their lines, and one typed record for every encoding.

mod address;
mod builtin;
mod format;
mod json;
mod line;
mod logged;
mod operator;
mod parse;
mod reader;
mod reason;
mod render;

pub use address::Address;
pub use builtin::{BuiltIn, FAILURES_SUFFIX, detect};
pub use format::{Format, FormatError, MAX_LITERAL, MAX_OPERATORS};
pub use json::{JSON_KEYS, JsonError};
pub use line::{FieldError, HopLine};
pub use logged::Logged;
pub use operator::Operator;
pub use parse::{LineError, Record};
pub use reader::{ReadError, Reader};
pub use reason::normalise;
pub use render::RenderError;
