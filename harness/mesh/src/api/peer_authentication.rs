//! `PeerAuthentication`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::WorkloadSelector;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PeerAuthentication {
    pub(crate) selector: Option<WorkloadSelector>,
    pub(crate) mtls: Option<Mtls>,
    pub(crate) port_level_mtls: Option<BTreeMap<String, Mtls>>,
}

impl PeerAuthentication {
    /// Whether it is for a whole namespace or the mesh.
    pub(crate) fn is_wide(&self) -> bool {
        self.selector
            .as_ref()
            .is_none_or(|s| s.match_labels.is_empty())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Mtls {
    pub(crate) mode: Mode,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Mode {
    #[default]
    Unset,
    Disable,
    Permissive,
    Strict,
}
