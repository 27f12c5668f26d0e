//! Plans the cases of a scenario, sets up both clusters, runs the cases, collects evidence at every
//! hop and judges it.
//!
//! - [`plan`]: what will be done, printable, without clusters.
//! - [`run`]: does it on two [`Clusters`] and returns a [`ScenarioRun`]; [`Header::record`] makes the
//!   run record of one or more of them.
//! - [`run_after`]: the same where a scenario may find what the one before has set up; [`together`] says which can.
//! - [`judge`] and [`rejudge`]: verdicts from recorded evidence alone, pure.
//! - [`explain`]: who refused a recorded session and why, by the same attribution, pure.
//!
//! Nothing here knows how the clusters were obtained.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod attribution;
mod case;
mod certificates;
mod client;
mod database;
mod environment;
mod expectation;
mod explain;
mod guest;
mod judge;
mod kept;
mod log_clock;
mod nip_io;
mod observer;
mod plan;
mod prober;
mod proxy_log;
mod router;
mod run;
mod setup;
mod side;
mod stop;
mod timing;
mod together;
mod variation;
mod wire;
mod words;

pub use explain::{Confidence, Explained, RecordError, Shape, explain};
pub use judge::{judge, not_run, rejudge, source};
pub use kept::Kept;
pub use nip_io::{Answer, HostNames};
pub use observer::{Event, Nobody, Observer};
pub use plan::{Plan, PlannedCase, names, names_of, plan};
pub use prober::Prober;
pub use run::{Header, Options, ScenarioRun, run, run_after};
pub use side::Clusters;
pub use stop::Stop;
pub use together::together;
pub use wire::{Wire, WireMark, canaries};
