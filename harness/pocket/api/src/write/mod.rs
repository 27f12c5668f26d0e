//! From a request to write to a change of the store.

pub(crate) mod defaults;
pub(crate) mod delete;
mod local;
pub(crate) mod names;
pub(crate) mod pipeline;
pub(crate) mod prepare;
mod schema;
pub(crate) mod status_part;
mod validate;
