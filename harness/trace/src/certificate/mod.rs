//! X.509 certificates, judged as Envoy's default validator and BoringSSL judge them.

mod chain;
mod names;
mod pem;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use chain::{Bundle, Chain};
pub(crate) use names::matches;
pub(crate) use pem::Unusable;
pub(crate) use verify::{Fault, Role, verify, verify_alone};
