//! Certificates and keys of a run, made in memory: the tutorial's four levels, the identities of a
//! mesh, and TLS for an API server on loopback.
//!
//! - [`Tutorial`]: root, intermediate, and the application's and the client's leaf between gateways.
//! - [`MeshCa`]: what istiod is to a mesh, with SPIFFE identities for workloads.
//! - [`Authority`] and [`Leaf`]: what both are built of, for anything else.
//!
//! Every key is ECDSA P-256. No key is ever formatted by `Debug`, and the only ways to its text are
//! [`PrivateKey::pem`] and [`PrivateKey::der`]; [`write_private`] is the way to a file.

mod authority;
mod credential;
mod error;
mod file;
mod leaf;
mod mesh;
mod names;
mod tutorial;
mod validity;

pub use authority::Authority;
pub use credential::{Credential, PrivateKey};
pub use error::PkiError;
pub use file::write_private;
pub use leaf::{Leaf, Purpose};
pub use mesh::{MeshCa, spiffe_id};
pub use tutorial::Tutorial;
pub use validity::Validity;
