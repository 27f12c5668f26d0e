//! The prober: opens one connection from wherever it is started, as it is told to, and reports every
//! phase of it as JSON.
//!
//! It is an applet of the command, started under the name [`COMMAND`]: in a pod of the image [`IMAGE`]
//! by `exec`, with its request on standard input, so that keys are on no command line.
//!
//! - `meshproof-probe connect`: reads a [`Request`], prints a [`ProbeReport`]. Exit code 0 whenever a
//!   report was printed, also of a refusal; 2 for a request that is none.
//! - `meshproof-probe hush PORT`: a server that accepts and never says anything.
//! - `meshproof-probe endpoint`: a bare mutual-TLS server in front of a plaintext one, outside any mesh.
//!
//! For callers: [`Request::command`] and [`Request::input`] are what to run and what to feed it;
//! [`ProbeReport::of_output`] reads the answer.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod certificate;
mod connect;
mod endpoint;
mod entry;
mod first;
mod hello;
mod hex;
mod hush;
mod portable;
mod request;
mod resolve;
mod serve;
mod tls;
mod wire;

pub use connect::connect;
pub use entry::entry;
pub use meshproof_record::{ProbeReport, ProbeReportError};
pub use portable::{Parcel, Portable, is_command, is_image};
pub use request::{
    ClientCertificate, Malformed, Opening, Request, RequestError, TlsOpening, TlsVersion,
};

/// The name that the prober is started under.
pub const COMMAND: &str = "meshproof-probe";

/// The image that has it.
pub const IMAGE: &str = "meshproof/probe";
