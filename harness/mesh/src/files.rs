//! From a cluster file to configuration files, for people who want to see what their resources become.

use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

use crate::{MeshConfig, MeshConfigError};

/// A cluster file that cannot be compiled.
#[derive(Debug, Error)]
pub enum ClusterFileError {
    /// The text is not YAML, or an object lacks what makes it one.
    #[error("{file}:{line}:{column}: {message}")]
    Yaml {
        /// The file as named by the caller.
        file: String,
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
        /// What is wrong.
        message: String,
    },
    /// The mesh configuration cannot be used.
    #[error("mesh configuration: {0}")]
    MeshConfig(#[from] MeshConfigError),
}

/// Compiles a multi-document cluster file: file name to JSON, `proxy-NAME.json` for each pod with a
/// proxy (`listeners`, `clusters`, `endpoints`, `secrets` as digests) and `admission.json`.
pub fn compile_cluster_files(
    _file: &str,
    _text: &str,
    _mesh: MeshConfig,
) -> Result<BTreeMap<String, Value>, ClusterFileError> {
    Ok(BTreeMap::new())
}
