//! `VirtualService`, judged in Istio's words.

use std::net::IpAddr;

use super::{Subject, findings::Findings, names};
use crate::{
    api::virtual_service::{
        Destination, Match, RouteDestination, TcpRoute, TlsRoute, VirtualService,
    },
    host,
};

pub(crate) fn validate(service: &VirtualService, subject: &Subject<'_>) -> Findings {
    let mut found = Findings::default();
    if service.hosts.is_empty() {
        delegate(service, &mut found);
    }
    found.add(gateway_names(&service.gateways));
    found.add(hosts(service));
    if service.http.is_empty() && service.tcp.is_empty() && service.tls.is_empty() {
        found.fail("http, tcp or tls must be provided in virtual service");
    }
    for route in &service.tls {
        found.add(tls_route(route, service));
    }
    for route in &service.tcp {
        found.add(tcp_route(route));
    }
    found.add(names::export_to(
        subject.namespace,
        &service.export_to,
        false,
        false,
    ));
    let tcp: Vec<&[Match]> = service.tcp.iter().map(|r| r.r#match.as_slice()).collect();
    let tls: Vec<&[Match]> = service.tls.iter().map(|r| r.r#match.as_slice()).collect();
    unreachable_rules(&tcp, &mut found);
    unreachable_rules(&tls, &mut found);
    found
}

fn delegate(service: &VirtualService, found: &mut Findings) {
    for (given, what) in [
        (!service.gateways.is_empty(), "gateways"),
        (!service.tls.is_empty(), "tls route"),
        (!service.tcp.is_empty(), "tcp route"),
    ] {
        if given {
            found.fail(format!(
                "delegate virtual service must have no {what} specified"
            ));
        }
    }
}

/// Whether it is bound to a gateway other than the mesh.
fn is_gateway(service: &VirtualService) -> bool {
    service.gateways.iter().any(|g| g != "mesh")
}

fn hosts(service: &VirtualService) -> Findings {
    let mut found = Findings::default();
    let applies_to_mesh = !is_gateway(service);
    let mut all_valid = true;
    for name in &service.hosts {
        match names::wildcard_domain(name) {
            Err(error) if name.parse::<IpAddr>().is_err() && !is_generated_sni(service, name) => {
                found.fail(error);
                all_valid = false;
            }
            Ok(()) if applies_to_mesh && name == "*" => {
                found.fail(
                    "wildcard host * is not allowed for virtual services bound to the mesh gateway",
                );
                all_valid = false;
            }
            _ => {}
        }
    }
    if all_valid {
        duplicates(&service.hosts, &mut found);
    }
    found
}

/// `outbound_.PORT_.SUBSET_.HOST`, which a gateway with SNI routes may name.
fn is_generated_sni(service: &VirtualService, name: &str) -> bool {
    is_gateway(service) && !service.tls.is_empty() && name.starts_with("outbound_.")
}

fn duplicates(hosts: &[String], found: &mut Findings) {
    for (index, one) in hosts.iter().enumerate() {
        for other in &hosts[index + 1..] {
            if host::matches(one, other) {
                found.fail(format!(
                    "duplicate hosts in virtual service: {one} & {other}"
                ));
            }
        }
    }
}

fn gateway_names(gateways: &[String]) -> Findings {
    let mut found = Findings::default();
    for name in gateways {
        let Some((namespace, gateway)) = name.split_once('/') else {
            if let [first, second, ..] = name.split('.').collect::<Vec<_>>().as_slice() {
                found.warn(format!(
                    "using legacy gatewayName format \"{name}\"; prefer the <namespace>/<name> format: \"{second}/{first}\""
                ));
            }
            found.check(names::fqdn(name));
            // As istiod does, names after the first short one are not looked at.
            return found;
        };
        if namespace.is_empty() || gateway.is_empty() {
            found.fail("config namespace and gateway name cannot be empty");
        }
        if !names::is_dns_label(namespace) {
            found.fail(format!("invalid value for namespace: \"{namespace}\""));
        }
        if !names::is_dns_label(gateway) {
            found.fail(format!("invalid value for gateway name: \"{gateway}\""));
        }
    }
    found
}

fn tls_route(route: &TlsRoute, service: &VirtualService) -> Findings {
    let mut found = Findings::default();
    if route.r#match.is_empty() {
        found.fail("TLS route must have at least one match condition");
    }
    for condition in &route.r#match {
        if condition.sni_hosts.is_empty() {
            found.fail("TLS match must have at least one SNI host");
        }
        for sni in &condition.sni_hosts {
            found.add(sni_host(sni, service));
        }
        found.add(conditions(condition));
    }
    if route.route.is_empty() {
        found.fail("TLS route is required");
    }
    found.add(destinations(&route.route));
    found
}

fn sni_host(sni: &str, service: &VirtualService) -> Findings {
    let mut found = Findings::default();
    if let Err(error) = names::wildcard_domain(sni) {
        if sni.parse::<IpAddr>().is_ok() {
            found.warn(format!(
                "using an IP address (\"{sni}\") goes against SNI spec and most clients do not support this"
            ));
            return found;
        }
        if !is_generated_sni(service, sni) {
            found.fail(error);
            return found;
        }
    }
    if !service.hosts.iter().any(|h| host::subset_of(sni, h)) {
        found.fail(format!(
            "SNI host \"{sni}\" is not a compatible subset of any of the virtual service hosts: [{}]",
            service.hosts.join(", ")
        ));
    }
    found
}

fn tcp_route(route: &TcpRoute) -> Findings {
    let mut found = Findings::default();
    for condition in &route.r#match {
        found.add(conditions(condition));
    }
    if route.route.is_empty() {
        found.fail("TCP route is required");
    }
    found.add(destinations(&route.route));
    found
}

fn conditions(condition: &Match) -> Findings {
    let mut found = Findings::default();
    for subnet in &condition.destination_subnets {
        found.check(names::subnet(subnet));
    }
    if condition.port != 0 {
        found.check(names::port(condition.port));
    }
    found.add(gateway_names(&condition.gateways));
    found
}

fn destinations(routes: &[RouteDestination]) -> Findings {
    let mut found = Findings::default();
    let mut total: i64 = 0;
    for route in routes {
        match &route.destination {
            None => found.fail("destination is required"),
            Some(destination) => found.add(validate_destination(destination)),
        }
        if route.weight < 0 {
            found.fail(format!("weight {} < 0", route.weight));
        }
        total = total.saturating_add(route.weight);
    }
    if routes.len() > 1 && total == 0 {
        found.fail("total destination weight = 0");
    }
    found
}

fn validate_destination(destination: &Destination) -> Findings {
    let mut found = Findings::default();
    if destination.host == "*" {
        found.fail("invalid destination host *");
    } else {
        found.check(names::wildcard_domain(&destination.host));
    }
    if !destination.subset.is_empty() && !names::is_dns_label(&destination.subset) {
        found.fail(format!("subset name is invalid: {}", destination.subset));
    }
    if let Some(port) = &destination.port {
        found.check(names::port(port.number));
    }
    found
}

/// Warns of rules that an earlier one hides.
fn unreachable_rules(rules: &[&[Match]], found: &mut Findings) {
    let mut seen: Vec<(&Match, usize)> = Vec::new();
    let mut open: Option<usize> = None;
    for (index, matches) in rules.iter().enumerate() {
        if matches.is_empty() {
            if open.is_some() {
                unused(found, index, "only the last rule can have no matches");
            }
            open = Some(index);
            continue;
        }
        let mut repeated = 0;
        for (number, condition) in matches.iter().enumerate() {
            if open.is_some() {
                unused(found, index, "route without matches defined before");
            } else if let Some((_, first)) = seen.iter().find(|(m, _)| *m == condition) {
                found.warn(format!(
                    "virtualService rule #{index} match #{number} is not used (duplicate/overlapping match in rule #{first})"
                ));
                repeated += 1;
            } else {
                seen.push((condition, index));
            }
        }
        if repeated == matches.len() {
            unused(found, index, "all matches used by prior rules");
        }
    }
}

fn unused(found: &mut Findings, rule: usize, reason: &str) {
    found.warn(format!("virtualService rule #{rule} not used ({reason})"));
}
