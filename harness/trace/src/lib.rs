//! Follows a connection through the compiled configuration of clusters, as Envoy would take it, without
//! any process: listener, filter chain, policy, route, cluster, TLS on both ends, the next hop. Says
//! where the connection ends and why, in the vocabulary of the verdicts.
//!
//! Everything here is pure. What manifests cannot tell (certificates that are not in them, the source
//! address behind a masquerade, a name outside the clusters) is said to be assumed or unknown.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod accept;
mod app;
mod capture;
mod certificate;
mod chain;
mod cluster;
mod credential;
mod dial;
mod handshake;
mod hello;
mod kube;
mod listener;
mod names;
mod network;
mod query;
mod rbac;
mod report;
mod upstream;
mod walk;
mod way;

pub use cluster::Cluster;
pub use query::{ClientTls, Opening, Query, TlsVersion};
pub use report::{Ending, Step, Trace};
pub use walk::{TraceError, trace};
