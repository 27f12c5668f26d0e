//! Plans the cases of a scenario, sets up both clusters, runs the cases, collects evidence at every
//! hop and judges it.
//!
//! - [`plan`]: what will be done, printable, without clusters.
//! - [`run`]: does it on two [`Clusters`] and returns a [`ScenarioRun`]; [`Header::record`] makes the
//!   run record of one or more of them.
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
mod log_clock;
mod observer;
mod plan;
mod proxy_log;
mod router;
mod run;
mod setup;
mod side;
mod stop;
mod timing;
mod variation;
mod wire;
mod words;

pub use explain::{Confidence, Explained, RecordError, Shape, explain};
pub use judge::{judge, not_run, rejudge, source};
pub use observer::{Event, Nobody, Observer};
pub use plan::{Plan, PlannedCase, names, names_of, plan};
pub use run::{Header, Options, ScenarioRun, run};
pub use side::Clusters;
pub use stop::Stop;
pub use wire::{Wire, WireMark, canaries};
