//! The scenario file: what a run sets up, which cases it runs, and what each must show.
//!
//! The format is strict YAML, `apiVersion: meshproof.dev/v1alpha1`. [`parse`] is pure over text;
//! [`load`] also reads the files that the scenario names. Everything wrong is told with file, line,
//! column, the text itself and what is allowed there (see [`Diagnostic`]).
//!
//! The usual way through this crate:
//!
//! 1. [`load`] a file: a [`Loaded`] with the typed [`Scenario`] and the text of each file it names;
//! 2. look up what [`Scenario::lookups`] lists, and give the values to [`Scenario::resolve`], which
//!    returns [`Bindings`];
//! 3. [`Scenario::bind`] puts them into the scenario, [`substitute`] into manifests and patches;
//! 4. [`plan_order`] says in which order the cases run.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod at;
mod bind;
mod binding;
mod bindings;
mod case;
mod check;
mod client;
mod diagnostic;
mod expand;
mod load;
mod model;
mod names;
mod order;
mod overlay;
mod parse;
mod schema;
mod secret;
mod suggest;
mod template;
mod walk;
mod words;
mod yaml_error;

pub use at::{At, Pos};
pub use bindings::{Bindings, ResolveError};
pub use case::{Case, Expect, ExpectedDatabase, ExpectedHop, ExpectedLeg, RowsQuery};
pub use client::{ClientTls, Login};
pub use diagnostic::{Diagnostic, Diagnostics, Source};
pub use load::{Loaded, load};
pub use model::{
    AddressOf, Binding, Certificates, Cluster, Clusters, Database, Metadata, Namespace, Password,
    Patch, Pod, Scenario, ServiceLookup,
};
pub use names::{ObjectName, Period, Target};
pub use order::plan_order;
pub use overlay::{Edit, ObjectKey, Overlay};
pub use parse::parse;
pub use schema::json_schema;
pub use secret::Secret;
pub use template::substitute;
pub use words::{
    AuthorityName, Cause, Certificate, ExpectedLink, Failures, Flaw, Hop, Injection, Outcome,
    OwnTls, Protection, Side, Speaks, TlsVersion, Trust,
};

/// The `apiVersion` of the format that this crate reads.
pub const API_VERSION: &str = "meshproof.dev/v1alpha1";
/// The `kind` of a scenario file.
pub const KIND: &str = "Scenario";
