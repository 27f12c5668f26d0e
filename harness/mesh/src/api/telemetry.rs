//! `Telemetry`, its access logging.

use serde::Deserialize;

use super::{Named, TargetRef, WorkloadSelector};

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Telemetry {
    pub(crate) selector: Option<WorkloadSelector>,
    target_ref: Option<TargetRef>,
    target_refs: Vec<TargetRef>,
    pub(crate) access_logging: Vec<AccessLogging>,
}

impl Telemetry {
    pub(crate) fn targets(&self) -> &[TargetRef] {
        super::targets(&self.target_refs, self.target_ref.as_ref())
    }

    /// Whether it is for a whole namespace or the mesh.
    pub(crate) fn is_wide(&self) -> bool {
        let selects = self
            .selector
            .as_ref()
            .is_some_and(|s| !s.match_labels.is_empty());
        !selects && self.targets().is_empty()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct AccessLogging {
    pub(crate) r#match: Option<LogSelector>,
    pub(crate) providers: Vec<Named>,
    pub(crate) disabled: Option<bool>,
    pub(crate) filter: Option<LogFilter>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct LogSelector {
    pub(crate) mode: WorkloadMode,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum WorkloadMode {
    #[default]
    ClientAndServer,
    Client,
    Server,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct LogFilter {
    pub(crate) expression: String,
}
