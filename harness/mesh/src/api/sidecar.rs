//! `Sidecar`.

use serde::Deserialize;

use super::{destination_rule::ConnectionPool, service_entry::LabelSelector};
use crate::protocol::Protocol;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Sidecar {
    pub(crate) workload_selector: Option<LabelSelector>,
    /// Without any, what is accepted is that of the workload's services.
    pub(crate) ingress: Vec<Ingress>,
    pub(crate) egress: Vec<Egress>,
    pub(crate) inbound_connection_pool: Option<ConnectionPool>,
    pub(crate) outbound_traffic_policy: Option<OutboundTrafficPolicy>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Ingress {
    pub(crate) port: Option<SidecarPort>,
    pub(crate) bind: String,
    pub(crate) default_endpoint: String,
    pub(crate) connection_pool: Option<ConnectionPool>,
}

impl Ingress {
    /// The number of its port, which is the pod's.
    pub(crate) fn number(&self) -> u32 {
        let said = self.port.as_ref().map(|p| u32::try_from(p.number));
        said.and_then(Result::ok).unwrap_or_default()
    }

    pub(crate) fn protocol(&self) -> Protocol {
        Protocol::parse(self.port.as_ref().map_or("", |p| &p.protocol))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Egress {
    /// `namespace/dnsName`; the namespace may be `*`, `.` or `~`, or begin with `~`.
    pub(crate) hosts: Vec<String>,
    /// Without a port the listeners are those of the services.
    pub(crate) port: Option<SidecarPort>,
    pub(crate) bind: String,
    pub(crate) capture_mode: CaptureMode,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SidecarPort {
    pub(crate) number: i64,
    pub(crate) protocol: String,
    pub(crate) name: String,
    pub(crate) target_port: i64,
}

/// How connections come to a listener: redirected, or to its own port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum CaptureMode {
    #[default]
    Default,
    Iptables,
    None,
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
