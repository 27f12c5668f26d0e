//! From a run record to what people and CI read: `run.json`, `junit.xml`, `report.html`, `summary.md`,
//! `cases.md`, and the final table.
//!
//! This crate knows nothing but [`meshproof_record`]. Every report can be made again from a
//! `run.json` alone.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod cases;
mod conclusion;
mod folder;
mod html;
mod junit;
mod summary;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod totals;
mod words;

pub use cases::cases;
pub use conclusion::Conclusion;
pub use folder::{WriteError, Written, replace_file, write_run};
pub use html::{HtmlError, html};
pub use junit::{JunitError, junit};
pub use summary::{COMMENT_LIMIT, STEP_SUMMARY_LIMIT, summary};
pub use table::{TableOptions, table};
pub use text::{one_line, printable};
pub use totals::Totals;
