//! What captures between two real clusters show, and that no order of packets and no bytes at all make a
//! difference that they should not make.
#![allow(clippy::unwrap_used)]

mod bytes;
mod captures;
mod order;
mod pcapng;
mod support;
