//! Certificates and keys of a run, made in memory: the tutorial's chain with every broken kind of it,
//! the identities of a mesh, and TLS for an API server on loopback.
//!
//! - [`RunPki`]: what gateways show and trust, good or with one [`Flaw`], as [`Wanted`].
//! - [`MeshCa`]: what istiod is to a mesh, with SPIFFE identities for workloads.
//! - [`Authority`] and [`Leaf`]: what both are built of, for anything else.
//! - [`Identity`]: which certificate it is, made here or presented by a peer.
//!
//! Every key is ECDSA P-256. No key is ever formatted by `Debug`, and the only ways to its text are
//! [`PrivateKey::pem`], [`PrivateKey::der`] and [`RunPki::secret`]; [`write_private`] is the way to a file.

mod authority;
mod credential;
mod error;
mod file;
mod identity;
mod leaf;
mod levels;
mod made;
mod mesh;
mod names;
mod run;
mod validity;
mod wanted;

pub use authority::Authority;
pub use credential::{Credential, PrivateKey};
pub use error::PkiError;
pub use file::write_private;
pub use identity::Identity;
pub use leaf::{Leaf, Purpose};
pub use mesh::{MeshCa, spiffe_id};
pub use run::RunPki;
pub use validity::Validity;
pub use wanted::{Flaw, Signer, Trust, Wanted, Which};
