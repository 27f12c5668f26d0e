//! The node: runs pods as local processes.

pub mod env;
pub mod logs;
pub mod status;
pub mod volumes;
