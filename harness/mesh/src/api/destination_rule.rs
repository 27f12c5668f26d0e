//! `DestinationRule`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::{Labels, PortSelector, WorkloadSelector};

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct DestinationRule {
    pub(crate) host: String,
    pub(crate) traffic_policy: Option<TrafficPolicy>,
    pub(crate) subsets: Vec<Subset>,
    pub(crate) export_to: Vec<String>,
    pub(crate) workload_selector: Option<WorkloadSelector>,
}

impl DestinationRule {
    /// All labels that are named to tell near endpoints from far ones.
    pub(crate) fn failover_priorities(&self) -> impl Iterator<Item = &String> {
        let of_subsets = self.subsets.iter().map(|s| &s.traffic_policy);
        let policies = of_subsets.chain([&self.traffic_policy]).flatten();
        let settings = policies.flat_map(|p| {
            let of_ports = p
                .port_level_settings
                .iter()
                .flatten()
                .map(|port| &port.settings);
            of_ports.chain([&p.settings])
        });
        settings
            .filter_map(|s| s.load_balancer.as_ref()?.locality_lb_setting.as_ref())
            .flat_map(|l| &l.failover_priority)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Subset {
    pub(crate) name: String,
    pub(crate) labels: Labels,
    pub(crate) traffic_policy: Option<TrafficPolicy>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TrafficPolicy {
    #[serde(flatten)]
    pub(crate) settings: Settings,
    #[serde(deserialize_with = "some_items")]
    pub(crate) port_level_settings: Option<Vec<PortPolicy>>,
    pub(crate) tunnel: Option<Tunnel>,
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    pub(crate) retry_budget: Option<RetryBudget>,
}

/// An HTTP `CONNECT` or `POST` to the destination, which carries the connection further.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Tunnel {
    pub(crate) protocol: String,
    pub(crate) target_host: String,
    pub(crate) target_port: i64,
}

/// The header of the PROXY protocol that connections begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ProxyProtocol {
    pub(crate) version: ProxyProtocolVersion,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum ProxyProtocolVersion {
    #[default]
    V1,
    V2,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RetryBudget {
    pub(crate) percent: Option<f64>,
    pub(crate) min_retry_concurrency: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PortPolicy {
    pub(crate) port: Option<PortSelector>,
    #[serde(flatten)]
    pub(crate) settings: Settings,
}

/// What can be said for a destination, a subset or a port alike.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Settings {
    pub(crate) load_balancer: Option<LoadBalancer>,
    pub(crate) connection_pool: Option<ConnectionPool>,
    pub(crate) outlier_detection: Option<OutlierDetection>,
    pub(crate) tls: Option<ClientTls>,
}

impl Settings {
    pub(crate) fn is_empty(&self) -> bool {
        self.load_balancer.is_none()
            && self.connection_pool.is_none()
            && self.outlier_detection.is_none()
            && self.tls.is_none()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct LoadBalancer {
    pub(crate) simple: SimpleLb,
    pub(crate) consistent_hash: Option<ConsistentHash>,
    pub(crate) warmup_duration_secs: Option<String>,
    pub(crate) warmup: Option<Warmup>,
    pub(crate) locality_lb_setting: Option<LocalityLb>,
}

impl LoadBalancer {
    pub(crate) fn uses_source_ip(&self) -> bool {
        self.consistent_hash
            .as_ref()
            .is_some_and(|h| h.use_source_ip)
    }
}

/// Connections of one key go to one endpoint. On TCP there is one key: the source's address.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ConsistentHash {
    pub(crate) use_source_ip: bool,
    pub(crate) minimum_ring_size: u64,
    pub(crate) ring_hash: Option<RingHash>,
    pub(crate) maglev: Option<Maglev>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RingHash {
    pub(crate) minimum_ring_size: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Maglev {
    pub(crate) table_size: u64,
}

/// How connections spread over places. Unless switched off, endpoints of the client's place come first where
/// failures are seen.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct LocalityLb {
    pub(crate) enabled: Option<bool>,
    pub(crate) distribute: Vec<Distribute>,
    pub(crate) failover: Vec<Failover>,
    pub(crate) failover_priority: Vec<String>,
}

/// Shares of connections from one place to others.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Distribute {
    pub(crate) from: String,
    pub(crate) to: BTreeMap<String, u64>,
}

/// The region to turn to when one's own fails.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Failover {
    pub(crate) from: String,
    pub(crate) to: String,
}

/// How long a new endpoint gets less than its share.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Warmup {
    pub(crate) duration: Option<String>,
    pub(crate) minimum_percent: Option<f64>,
    pub(crate) aggression: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum SimpleLb {
    #[default]
    Unspecified,
    LeastConn,
    Random,
    Passthrough,
    RoundRobin,
    LeastRequest,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ConnectionPool {
    pub(crate) tcp: Option<TcpPool>,
    pub(crate) http: Option<HttpPool>,
}

/// The settings of HTTP that end in limits of the whole cluster, or in what it speaks; the others have no
/// effect on TCP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct HttpPool {
    pub(crate) http1_max_pending_requests: i64,
    pub(crate) http2_max_requests: i64,
    pub(crate) max_requests_per_connection: i64,
    pub(crate) max_retries: i64,
    pub(crate) idle_timeout: Option<String>,
    pub(crate) h2_upgrade_policy: H2Upgrade,
    pub(crate) use_client_protocol: bool,
    pub(crate) max_concurrent_streams: i64,
    pub(crate) http2_keep_alive: Option<Http2KeepAlive>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Http2KeepAlive {
    pub(crate) interval: Option<String>,
    pub(crate) timeout: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum H2Upgrade {
    #[default]
    Default,
    DoNotUpgrade,
    Upgrade,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TcpPool {
    pub(crate) max_connections: i64,
    pub(crate) connect_timeout: Option<String>,
    pub(crate) max_connection_duration: Option<String>,
    pub(crate) idle_timeout: Option<String>,
    pub(crate) tcp_keepalive: Option<TcpKeepalive>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct TcpKeepalive {
    pub(crate) probes: i64,
    pub(crate) time: Option<String>,
    pub(crate) interval: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct OutlierDetection {
    pub(crate) consecutive_errors: i64,
    pub(crate) split_external_local_origin_errors: bool,
    pub(crate) consecutive_local_origin_failures: Option<i64>,
    pub(crate) consecutive_gateway_errors: Option<i64>,
    #[serde(rename = "consecutive5xxErrors")]
    pub(crate) consecutive_5xx_errors: Option<i64>,
    pub(crate) interval: Option<String>,
    pub(crate) base_ejection_time: Option<String>,
    pub(crate) max_ejection_percent: i64,
    pub(crate) min_health_percent: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ClientTlsMode {
    #[default]
    Disable,
    Simple,
    Mutual,
    IstioMutual,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ClientTls {
    pub(crate) mode: ClientTlsMode,
    pub(crate) credential_name: String,
    /// `None` where the list is empty too: protobuf cannot tell the two apart.
    #[serde(deserialize_with = "some_items")]
    pub(crate) subject_alt_names: Option<Vec<String>>,
    pub(crate) sni: String,
    pub(crate) client_certificate: String,
    pub(crate) private_key: String,
    pub(crate) ca_certificates: String,
    pub(crate) ca_crl: String,
    pub(crate) insecure_skip_verify: bool,
}

/// A list that is empty is none.
fn some_items<'de, D, T>(from: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = Option::<Vec<T>>::deserialize(from)?;
    Ok(list.filter(|l| !l.is_empty()))
}
