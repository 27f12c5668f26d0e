//! `ServiceEntry`, judged in Istio's words.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Subject, findings::Findings, names, selectors, text::quoted};
use crate::{
    api::service_entry::{Location, Resolution, ServiceEntry, WorkloadEntry},
    protocol::Protocol,
};

pub(crate) fn validate(entry: &ServiceEntry, subject: &Subject<'_>) -> Findings {
    let selector = entry.workload_selector.as_ref().map(|s| &s.labels);
    let mut found = selectors::by_labels(selector, "service entry");
    if !found.is_clean() {
        return found;
    }
    if selector.is_some() && entry.endpoints.is_some() {
        found.fail("only one of WorkloadSelector or Endpoints is allowed in Service Entry");
    }
    hosts(entry, &mut found);
    addresses(entry, &mut found);
    ports(entry, subject, &mut found);
    by_resolution(entry, subject, &mut found);
    many_hosts(entry, &mut found);
    found.add(names::export_to(
        subject.namespace,
        &entry.export_to,
        true,
        false,
    ));
    found
}

fn hosts(entry: &ServiceEntry, found: &mut Findings) {
    if entry.hosts.is_empty() {
        found.fail("service entry must have at least one host");
    }
    for host in &entry.hosts {
        if host == "*" {
            found.fail("invalid host *");
            continue;
        }
        found.check(names::wildcard_domain(host));
        if entry.resolution != Resolution::DynamicDns
            && let Err(warning) = names::no_partial_wildcard(host)
        {
            found.warn(warning);
        }
    }
}

fn addresses(entry: &ServiceEntry, found: &mut Findings) {
    for address in &entry.addresses {
        found.check(names::subnet(address));
    }
    let cidr = entry.addresses.iter().any(|a| a.contains('/'));
    if cidr && !matches!(entry.resolution, Resolution::None | Resolution::Static) {
        found.fail("CIDR addresses are allowed only for NONE/STATIC resolution types");
    }
}

/// Whether the control plane gives such an entry an address of its own (`ShouldV2AutoAllocateIP`).
fn gets_address(entry: &ServiceEntry, subject: &Subject<'_>) -> bool {
    let label = subject.labels["networking.istio.io/enable-autoallocate-ip"].as_str();
    let off = label.is_some_and(|l| l.eq_ignore_ascii_case("false"));
    !off && entry.resolution != Resolution::None
}

fn ports(entry: &ServiceEntry, subject: &Subject<'_>, found: &mut Findings) {
    let (mut by_name, mut by_number) = (BTreeSet::new(), BTreeSet::new());
    let needs_address = entry.addresses.is_empty() && !gets_address(entry, subject);
    for port in &entry.ports {
        if !by_name.insert(&port.name) {
            found.fail(format!(
                "service entry port name {} already defined",
                quoted(&port.name)
            ));
        }
        if !by_number.insert(port.number) {
            found.fail(format!(
                "service entry port {} already defined",
                port.number
            ));
        }
        if port.target_port != 0 {
            found.check(names::port(port.target_port));
        }
        if needs_address && (port.protocol.is_empty() || port.protocol == "TCP") {
            found.warn(
                "addresses are required for ports serving TCP (or unset) protocol when IP Autoallocation is not enabled",
            );
        }
        found.check(names::port_name(&port.name));
        if !port.protocol.is_empty() && Protocol::parse(&port.protocol) == Protocol::Unsupported {
            found.fail(format!("unsupported protocol: {}", port.protocol));
        }
        found.check(names::port(port.number));
    }
}

fn by_resolution(entry: &ServiceEntry, subject: &Subject<'_>, found: &mut Findings) {
    let endpoints = entry.endpoints.as_deref().unwrap_or_default();
    match entry.resolution {
        Resolution::None => {
            if !endpoints.is_empty() {
                found.fail("no endpoints should be provided for resolution type none");
            }
            if entry.workload_selector.is_some() {
                found.warn("workloadSelector should not be set when resolution mode is NONE");
            }
        }
        Resolution::Static => {
            for endpoint in endpoints {
                found.add(static_endpoint(endpoint, entry));
            }
        }
        Resolution::Dns | Resolution::DnsRoundRobin => dns(entry, endpoints, found),
        Resolution::DynamicDns => dynamic_dns(entry, subject, found),
    }
}

/// A `WorkloadEntry` of its own: it may have a name for an address, and no ports are known beforehand.
pub(crate) fn workload(endpoint: &WorkloadEntry) -> Findings {
    endpoint_at(endpoint, None)
}

fn static_endpoint(endpoint: &WorkloadEntry, entry: &ServiceEntry) -> Findings {
    endpoint_at(endpoint, Some(entry))
}

/// An endpoint of `entry`, if of any.
fn endpoint_at(endpoint: &WorkloadEntry, entry: Option<&ServiceEntry>) -> Findings {
    let mut found = Findings::default();
    let address = &endpoint.address;
    if address.is_empty() {
        if endpoint.network.is_empty() {
            found.fail("address is required");
            return found;
        }
        let network = quoted(&endpoint.network);
        found.warn(format!("address is unset with network {network}"));
    }
    let socket = address.strip_prefix("unix://");
    let number = address.parse::<IpAddr>().is_ok();
    if let Some(path) = socket {
        found.check(names::unix_path(path));
        if !endpoint.ports.is_empty() {
            found.fail(format!("unix endpoint {address} must not include ports"));
        }
    } else if !address.is_empty() && !number {
        let address = quoted(address);
        if entry.is_some() {
            found.fail(format!(
                "endpoint address {address} is not a valid IP address"
            ));
        } else if names::fqdn(&endpoint.address).is_err() {
            found.fail(format!(
                "endpoint address {address} is not a valid FQDN or an IP address"
            ));
        }
    }
    endpoint_ports(endpoint, entry, &mut found);
    found.add(selectors::tags(&endpoint.labels));
    let names = |e: &ServiceEntry| {
        e.ports
            .iter()
            .map(|p| p.name.clone())
            .collect::<BTreeSet<_>>()
    };
    if socket.is_some() && entry.is_some_and(|e| names(e).len() != 1) {
        found.fail("exactly 1 service port required for unix endpoints");
    }
    found
}

fn endpoint_ports(endpoint: &WorkloadEntry, entry: Option<&ServiceEntry>, found: &mut Findings) {
    for (name, number) in &endpoint.ports {
        if entry.is_some_and(|e| !e.ports.iter().any(|p| p.name == *name)) {
            found.fail(format!(
                "endpoint port {number} is not defined by the service entry"
            ));
        }
        found.check(names::port_name(name));
        found.check(names::port(*number));
    }
}

fn dns(entry: &ServiceEntry, endpoints: &[WorkloadEntry], found: &mut Findings) {
    let resolution = entry.resolution.name();
    if endpoints.is_empty()
        && let Some(error) = entry.hosts.iter().find_map(|h| names::fqdn(h).err())
    {
        found.fail(format!(
            "hosts must be FQDN or contain only prefix wildcards if no endpoints are provided for resolution mode {resolution}, {error}"
        ));
    }
    if entry.resolution == Resolution::DnsRoundRobin && endpoints.len() > 1 {
        found.fail(format!(
            "there must only be 0 or 1 endpoint for resolution mode {resolution}"
        ));
    }
    for endpoint in endpoints {
        let address = &endpoint.address;
        if address.parse::<IpAddr>().is_err() && names::fqdn(address).is_err() {
            found.fail(format!(
                "endpoint address {} is not a valid FQDN or an IP address",
                quoted(address)
            ));
        }
        found.add(selectors::tags(&endpoint.labels));
        endpoint_ports(endpoint, Some(entry), found);
    }
    let tcp = entry
        .ports
        .iter()
        .any(|p| Protocol::parse(&p.protocol).is_tcp());
    if !entry.addresses.is_empty() && tcp && entry.hosts.len() > 1 {
        found.warn("service entry can not have more than one host specified simultaneously with address and tcp port");
    }
}

fn dynamic_dns(entry: &ServiceEntry, subject: &Subject<'_>, found: &mut Findings) {
    let resolution = entry.resolution.name();
    if entry.hosts.is_empty() {
        found.fail(format!(
            "at least one wildcard host must be provided for resolution type {resolution}"
        ));
    }
    for _ in entry.hosts.iter().filter(|h| !h.starts_with('*')) {
        found.fail(format!(
            "host must be wildcarded for resolution mode {resolution}"
        ));
    }
    if !entry.addresses.is_empty() {
        found.fail(format!("addresses cannot be set for resolution type {resolution}. HTTP route domains will only be generatedfrom the hosts field values"));
    }
    if entry.endpoints.as_ref().is_some_and(|e| !e.is_empty()) {
        found.fail(format!("endpoints cannot be set for resolution type {resolution}. Destination IP address determined from hostsfield values"));
    }
    for port in &entry.ports {
        use Protocol::{Grpc, Http, Http2, Tls};
        if !matches!(Protocol::parse(&port.protocol), Http | Tls | Grpc | Http2) {
            found.fail(format!("only HTTP, TLS, GRPC, and HTTP2 protocols are supported for resolution type {resolution}"));
        }
    }
    let waypoint = subject.labels["istio.io/use-waypoint"]
        .as_str()
        .unwrap_or_default();
    let uses_waypoint = !waypoint.is_empty() && !waypoint.eq_ignore_ascii_case("none");
    if entry.location == Location::MeshInternal && uses_waypoint {
        found.fail(format!("location MESH_INTERNAL with resolution type {resolution} is not supported when using waypoints"));
    }
}

/// Plain TCP cannot tell hosts apart.
fn many_hosts(entry: &ServiceEntry, found: &mut Findings) {
    let plain = |p: Protocol| !p.is_http() && !p.is_tls();
    if entry.resolution != Resolution::None
        && entry.hosts.len() > 1
        && entry
            .ports
            .iter()
            .any(|p| plain(Protocol::parse(&p.protocol)))
    {
        found.fail("multiple hosts provided with non-HTTP, non-TLS ports");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_tcp_port_without_any_address_is_warned_of() {
        let labels = serde_json::json!({"networking.istio.io/enable-autoallocate-ip": "false"});
        let subject = Subject {
            name: "x",
            namespace: "default",
            labels: &labels,
        };
        let entry: ServiceEntry = serde_json::from_value(serde_json::json!({
            "hosts": ["a.example.com"], "resolution": "DNS",
            "ports": [{"number": 3306, "name": "tcp", "protocol": "TCP"}],
        }))
        .unwrap();
        assert_eq!(validate(&entry, &subject).warnings.len(), 1);
        let subject = Subject {
            labels: &Value::Null,
            ..subject
        };
        assert_eq!(validate(&entry, &subject).warnings.len(), 0);
    }
}
