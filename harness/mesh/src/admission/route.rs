//! `VirtualService`, judged in Istio's words.

use std::{collections::BTreeMap, net::IpAddr};

use super::{Subject, findings::Findings, names, selectors, text::quoted};
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

/// Whether it is bound to gateways and not to the mesh. One that names no gateway is bound to the mesh,
/// although Istio takes it for a gateway's where it looks at SNI hosts.
fn is_gateway(service: &VirtualService) -> bool {
    !service.gateways.iter().any(|g| g == "mesh")
}

fn hosts(service: &VirtualService) -> Findings {
    let mut found = Findings::default();
    let gateway = is_gateway(service) && !service.gateways.is_empty();
    let mut matches = service.tls.iter().flat_map(|t| &t.r#match);
    let sni = matches.any(|m| !m.sni_hosts.is_empty());
    let mut all_valid = true;
    for name in &service.hosts {
        match names::gateway_domain(name, gateway && sni) {
            Err(error) if name.parse::<IpAddr>().is_err() => {
                found.fail(error);
                all_valid = false;
            }
            Ok(()) if !gateway && name == "*" => {
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

/// More pairs than these of one resource help nobody: their number grows with the square of the hosts.
const MOST_PAIRS: usize = 1000;

fn duplicates(hosts: &[String], found: &mut Findings) {
    let pairs = hosts.iter().enumerate().flat_map(|(index, one)| {
        let others = hosts[index + 1..].iter();
        others.map(move |other| (one, other))
    });
    for (one, other) in pairs
        .filter(|(one, other)| host::matches(one, other))
        .take(MOST_PAIRS)
    {
        found.fail(format!(
            "duplicate hosts in virtual service: {one} & {other}"
        ));
    }
}

fn gateway_names(gateways: &[String]) -> Findings {
    let mut found = Findings::default();
    for name in gateways {
        let Some((namespace, gateway)) = name.split_once('/') else {
            if let [first, second, ..] = name.split('.').collect::<Vec<_>>().as_slice() {
                let better = format!("{second}/{first}");
                found.warn(format!(
                    "using legacy gatewayName format {}; prefer the <namespace>/<name> format: {}",
                    quoted(name),
                    quoted(&better)
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
            let namespace = quoted(namespace);
            found.fail(format!("invalid value for namespace: {namespace}"));
        }
        if !names::is_dns_label(gateway) {
            let gateway = quoted(gateway);
            found.fail(format!("invalid value for gateway name: {gateway}"));
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
    if let Err(error) = names::gateway_domain(sni, is_gateway(service)) {
        if sni.parse::<IpAddr>().is_ok() {
            found.warn(format!(
                "using an IP address ({}) goes against SNI spec and most clients do not support this",
                quoted(sni)
            ));
        } else {
            found.fail(error);
        }
        return found;
    }
    if !service.hosts.iter().any(|h| host::subset_of(sni, h)) {
        found.fail(format!(
            "SNI host {} is not a compatible subset of any of the virtual service hosts: [{}]",
            quoted(sni),
            service.hosts.join(", ")
        ));
    }
    found
}

fn tcp_route(route: &TcpRoute) -> Findings {
    let mut found = Findings::default();
    for condition in &route.r#match {
        // Warnings of a TCP route are not passed on.
        found.add_errors(conditions(condition));
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
    found.add(selectors::tags(&condition.source_labels));
    found.add(gateway_names(&condition.gateways));
    found
}

fn destinations(routes: &[RouteDestination]) -> Findings {
    let mut found = Findings::default();
    // Istio adds in 32 bits.
    let mut total: i32 = 0;
    for route in routes {
        match &route.destination {
            None => found.fail("destination is required"),
            Some(destination) => found.add(validate_destination(destination)),
        }
        if route.weight < 0 {
            found.fail(format!("weight {} < 0", route.weight));
        }
        total = total.wrapping_add(i32::try_from(route.weight).unwrap_or_default());
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
    let mut seen: BTreeMap<&Match, usize> = BTreeMap::new();
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
            } else if let Some(first) = seen.get(condition) {
                found.warn(format!(
                    "virtualService rule #{index} match #{number} is not used (duplicate/overlapping match in rule #{first})"
                ));
                repeated += 1;
            } else {
                seen.insert(condition, index);
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
