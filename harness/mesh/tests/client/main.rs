//! Rules of Istio for the client's side, one small cluster each.
#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    missing_docs,
    reason = "tests: literals read better by value"
)]

mod build;
mod clusters;
mod listeners;
mod places;
mod routes;
mod services;
mod sidecar;
mod transport;
