//! Clusters that are there already: from two contexts of a kubeconfig to what the runner wants.
//!
//! A provider yields an [`Offer`]: two kubeconfigs with the name of a context each, and what it knows of them.
//! [`connect`] makes of it two clients with [manners](Manners), and looks at what is there ([`discover`]). What
//! is missing is one list of findings ([`doctor`]), never one failure after the other.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod connect;
pub mod discover;
pub mod doctor;
mod error;
mod exec_plugin;
pub mod kubeconfig;
pub mod manners;
mod offer;

pub use connect::{Connected, connect};
pub use error::{Error, Result};
pub use manners::{Manners, Requests, Totals, Trace};
pub use offer::{Offer, Offered};
