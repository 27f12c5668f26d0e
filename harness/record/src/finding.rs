//! What is there and what is missing, before a run creates anything.

use serde::{Deserialize, Serialize};

/// One point that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `client` or `server`; none where it concerns both, or this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What was looked at: `API`, `permissions`, `egress gateway`, ...
    pub point: String,
    /// Whether a run can do with what was found.
    pub state: FindingState,
    /// What was found, in one line.
    pub found: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_do: Option<String>,
}

/// Whether a run can do with what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingState {
    /// It can.
    Ok,
    /// Nobody could look, or what was seen does not tell. A run goes on, and finds out.
    Unknown,
    /// It cannot: nothing is begun.
    Missing,
}
