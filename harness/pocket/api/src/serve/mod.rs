//! The two ways in: an in-memory client and a loopback TLS listener. Both serve one router.

mod connection;
mod listen;
mod memory;
mod token;
