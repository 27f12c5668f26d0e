//! `Telemetry`, its access logging.

use serde::Deserialize;

use super::{Named, WorkloadSelector};

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Telemetry {
    pub(crate) selector: Option<WorkloadSelector>,
    pub(crate) access_logging: Vec<AccessLogging>,
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
