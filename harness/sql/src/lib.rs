//! The MySQL and MariaDB command-line clients: how to call them, what their errors mean, and the
//! rows that they print.
//!
//! Pure: it builds command lines and reads text; running the client is somebody else's work.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod batch;
mod command;
mod dialect;
mod end;
mod error;
mod packet;
mod phase;

pub use batch::{BatchError, Row, parse_batch};
pub use command::{BatchCommand, PASSWORD_VARIABLE};
pub use dialect::{Dialect, DialectError, Product};
pub use end::{ClientEnd, client_end};
pub use error::{ClientError, find_error};
pub use packet::FirstPacket;
pub use phase::Phase;
