//! The Kubernetes API server of the embedded clusters.
//!
//! [`Store`] holds the objects; [`ApiServer`] serves them as kube-apiserver does, to
//! `kube::Client` in memory and to `kubectl` over loopback TLS. Controllers that live in the
//! same process use the store directly.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![allow(clippy::doc_markdown)] // the names of kinds are words of this text

mod collector;
mod fields;
mod hooks;
mod http;
mod kinds;
mod object;
mod patch;
mod select;
mod serve;
mod server;
mod status;
mod store;
mod streams;
mod write;

pub use hooks::{
    Admission, AdmissionRequest, AdmitAll, AsyncReadWrite, BoxRead, BoxWrite, ExecOptions,
    ExecSession, ExitCode, LogOptions, NoStreams, Operation, Streams, TerminalSize, Warnings,
};
pub use kinds::{KINDS, Kind, KindInfo, Subresource, api_version};
pub use server::{ApiServer, ListenError, Listening, TlsConfig};
pub use status::{Cause, StatusError};
pub use store::{Event, EventType, Lagged, Listing, Store, Watch, now};
pub use write::delete::{DeleteHow, Propagation};
