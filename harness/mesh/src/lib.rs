//! From Kubernetes and Istio resources to Envoy configuration, as a real istiod would make it.
//!
//! Everything here is pure: an immutable [`Objects`] snapshot of a cluster goes in, and what each
//! proxy is to be told comes out ([`compile`]). [`admit`] says beforehand whether a resource is
//! accepted: in istiod's words where istiod would refuse it, under a name of our own where the
//! embedded mesh lacks something that Istio has.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod admission;
mod api;
mod compile;
mod duration;
mod files;
mod host;
mod mesh_config;
mod objects;
mod protocol;
mod secrets;
mod support;

pub use admission::{Admission, Cause, admit};
pub use compile::{Compiler, Conflict, HttpPlace, ProxyConfig, compile};
pub use files::{CONFLICTS_FILE, ClusterFile, ClusterFileError, Judged, compile_cluster_files};
pub use host::resolve as resolve_host;
pub use mesh_config::{AccessLogEncoding, MeshConfig, MeshConfigError, TEXT_FORMAT};
pub use objects::{
    Objects, ProxyId,
    pod::{Pod, ProxyKind},
};
pub use secrets::SecretValue;
pub use support::support_page;
