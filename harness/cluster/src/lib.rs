//! What the harness does to a cluster, in the verbs of the Kubernetes API.
//!
//! Everything goes through one [`kube::Client`]. Whether it speaks to kind, to a cloud, or in memory to
//! the embedded clusters is not visible here: [`Facts`] says what a provider can and cannot do, and
//! nothing above this crate asks for more. Waits are watches with a deadline, and a missed deadline
//! says what was waited for and what the cluster showed meanwhile.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod access;
mod activation;
mod apply;
mod container_state;
mod diagnosis;
mod error;
mod exec;
mod journal;
mod kinds;
mod log_resume;
mod logs;
mod manifest;
mod owned;
mod pods;
mod port_forward;
mod ports;
mod proxy_admin;
mod secret;
mod service;
mod serving;
mod undone;
mod vary;
mod watch;

pub use access::{ActiveEvidence, ClusterAccess, Facts, GatewayFacts, PodRef, Side};
pub use activation::Activation;
pub use apply::{Applied, FIELD_MANAGER};
pub use container_state::Trouble;
pub use error::{Error, Result};
pub use exec::{Command, Duplex, Lines, Output, Running};
pub use journal::{Found, Journal};
pub use logs::{LogFollower, LogLine, LogWait, Mark};
pub use manifest::{Manifest, Origin};
pub use owned::{RUN_LABEL, Swept};
pub use pods::{ClientPod, EnvSource};
pub use port_forward::Forward;
pub use proxy_admin::ProxyAdmin;
pub use serving::{Serving, Whose};
pub use vary::ObjectRef;

/// Bytes as Secrets have them, base64 in JSON.
pub use k8s_openapi::ByteString;
/// The client that all verbs go through, re-exported so that providers build against one version.
pub use kube;
