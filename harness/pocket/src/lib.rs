//! The embedded clusters: two Kubernetes clusters with Istio's behaviour, as local processes.

pub mod addresses;
pub mod images;
pub mod injection;
pub mod install;
pub mod controllers;
pub mod dns;
pub mod kubelet;
