//! `Sidecar`.

use serde::Deserialize;

use super::service_entry::LabelSelector;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Sidecar {
    pub(crate) workload_selector: Option<LabelSelector>,
    pub(crate) egress: Vec<Egress>,
    pub(crate) outbound_traffic_policy: Option<OutboundTrafficPolicy>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Egress {
    /// `namespace/dnsName`; the namespace may be `*`, `.` or `~`.
    pub(crate) hosts: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct OutboundTrafficPolicy {
    pub(crate) mode: OutboundMode,
}

/// What becomes of traffic to unknown destinations. A `Sidecar` that says `outboundTrafficPolicy: {}`
/// says `REGISTRY_ONLY`; without the field the mesh's mode holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum OutboundMode {
    #[default]
    RegistryOnly,
    AllowAny,
    AllowAnyDynamicDns,
}
