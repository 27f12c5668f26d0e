//! Configuration for Envoy over its aggregated discovery service (ADS).
//!
//! Resources come as JSON with proto field names, the form in which Envoy prints them itself. They
//! are encoded strictly (an unknown field is an error with its path) and served state of the world
//! over one Unix socket a proxy, in the order clusters, endpoints, listeners, secrets.
//!
//! An acknowledged configuration is not yet an active one: see [`admin`].

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod admin;
mod ads;
pub mod bootstrap;
mod cache;
mod conversation;
mod discovery;
mod encode;
mod server;
mod snapshot;
mod status;

pub use ads::{Ads, ServeHandle};
pub use snapshot::{EncodeError, Snapshot, Version};
pub use status::{AckError, ProxyKey, ProxyStatus, Rejected, ResourceType, Unanswered};
