//! The judge, on sessions recorded from real clusters.
#![allow(clippy::unwrap_used)]

mod continuous;
mod gateways;
mod negative;
mod positive;
mod probe;
mod rejudge;
mod support;
mod teeth;
