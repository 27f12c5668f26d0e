//! `VirtualService`, its TCP and TLS routes.

use serde::Deserialize;

use super::{Labels, PortSelector};

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct VirtualService {
    pub(crate) hosts: Vec<String>,
    pub(crate) gateways: Vec<String>,
    pub(crate) export_to: Vec<String>,
    pub(crate) http: Vec<serde_json::Value>,
    pub(crate) tls: Vec<TlsRoute>,
    pub(crate) tcp: Vec<TcpRoute>,
}

impl VirtualService {
    /// What conditions say of the client's labels, where they say something.
    pub(crate) fn source_labels(&self) -> impl Iterator<Item = &Labels> {
        let tls = self.tls.iter().flat_map(|r| &r.r#match);
        let tcp = self.tcp.iter().flat_map(|r| &r.r#match);
        tls.chain(tcp)
            .map(|m| &m.source_labels)
            .filter(|labels| !labels.is_empty())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct TlsRoute {
    pub(crate) r#match: Vec<Match>,
    pub(crate) route: Vec<RouteDestination>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct TcpRoute {
    pub(crate) r#match: Vec<Match>,
    pub(crate) route: Vec<RouteDestination>,
}

/// Match conditions of TLS and TCP routes; a TCP route has no `sniHosts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Match {
    pub(crate) sni_hosts: Vec<String>,
    pub(crate) destination_subnets: Vec<String>,
    pub(crate) port: i64,
    pub(crate) source_labels: Labels,
    pub(crate) gateways: Vec<String>,
    pub(crate) source_namespace: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct RouteDestination {
    pub(crate) destination: Option<Destination>,
    pub(crate) weight: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Destination {
    pub(crate) host: String,
    pub(crate) subset: String,
    pub(crate) port: Option<PortSelector>,
}
