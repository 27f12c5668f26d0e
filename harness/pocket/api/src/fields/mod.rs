//! Who owns which field (`metadata.managedFields`): sets of fields, how writes change them,
//! and server-side apply.

mod apply;
mod managers;
#[allow(clippy::match_same_arms)] // a table: one row per place
mod schema;
mod set;

pub(crate) use self::apply::apply;
pub(crate) use self::managers::{Writer, record_update};
