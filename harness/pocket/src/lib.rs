//! The embedded clusters: two Kubernetes clusters with Istio's behaviour, as local processes.
//!
//! [`Pocket::start`] brings up both, and hands out a `kube::Client` for each. Everything ends with
//! the [`Pocket`], or with the process, however that ends.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod addresses;
mod admission;
mod controllers;
mod dns;
pub mod images;
mod injection;
pub mod install;
mod kubelet;
mod mesh;
mod network;
mod pocket;
pub mod router;
mod streams;

pub use addresses::ClusterName;
pub use kubelet::Programs;
pub use pocket::{Cluster, Pocket, PocketError, PocketOptions};
