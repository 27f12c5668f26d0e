//! Evidence from the proxies on the path: access-log formats and lines, the lines of the hops
//! stitched into one path per SQL session, what each leg's receiver logged of its protection,
//! what a line tells of a refusal, and what a capture shows of the link between the clusters.
//!
//! `FORMATS.md` beside this crate says which formats are known and what each leaves untold.
//!
//! Everything here is pure: text in, facts out. What the lines do not tell is said to be unknown,
//! with the Envoy operator that would tell it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod access_log;
pub mod attribute;
pub mod classify;
pub mod leg;
pub mod logs;
pub mod probe;
pub mod stitch;
pub mod tls_client;
pub mod wire;

pub use access_log::{
    Address, BuiltIn, Expected, Format, HopLine, JsonFormat, Logged, MeshLogs, Reader, detect,
    read_log,
};
pub use attribute::{Attribution, Opening, attribute};
pub use classify::{Finding, classify};
pub use leg::{LegProof, prove_legs};
pub use logs::{LogsError, read_logs};
pub use probe::probe_finding;
pub use stitch::{HopLogs, PATH, SessionPath, Stitched, stitch};
pub use tls_client::TlsEnd;
