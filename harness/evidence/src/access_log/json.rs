//! Access logs in JSON: one object a record, its keys and values laid down by a format that is an
//! object too.

mod format;
mod read;
mod render;

pub use format::{JsonFormat, JsonFormatError};
pub use read::{JsonError, JsonRecord};
