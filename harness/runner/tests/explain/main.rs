//! Recorded sessions explained, against what was really wrong.
#![allow(clippy::unwrap_used)]

mod answers;
mod contradictions;
mod less;
mod probe;
mod support;
